"""The places, each painted as a layout in neutral light that knows neither hour nor weather."""
