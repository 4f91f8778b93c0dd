() => {
  try {
    return [{
      token: sessionStorage.getItem('wordbrush-token'),
      form: JSON.parse(sessionStorage.getItem('wordbrush-form') ?? 'null'),
      newest: JSON.parse(sessionStorage.getItem('wordbrush-under-way') ?? 'null'),
    }];
  } catch { return [null]; }
}
