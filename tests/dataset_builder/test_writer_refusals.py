"""What servers say instead of an answer, as their users have reported it, and whom it concerns."""

import json

import pytest

from dataset_builder.errors import InvalidJob
from dataset_builder.write.messages import read_chat, read_text
from dataset_builder.write.openai_client import key_of
from dataset_builder.write.pace import retry_after, wait_of
from dataset_builder.write.refusals import Refusal, concern, refusal_in
from tests.dataset_builder.chaos import Chaos, serving
from tests.dataset_builder.test_writer_openai import finish, job_of

SENT = ("model", "messages", "max_tokens", "temperature", "seed", "response_format")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TEST_WRITER_KEY", "sk-a-secret")


SAID = [
    (429, "insufficient_quota", "You exceeded your current quota, please check your plan", "account"),
    (429, "rate_limit_exceeded tokens", "Rate limit reached; add a payment method to your account", "busy"),
    (429, "", "You exceeded your current quota, see billing. RESOURCE_EXHAUSTED", "busy"),
    (429, "exceeded_current_quota_error", "Your account is suspended", "account"),
    (429, "1113", "Insufficient balance or no resource package", "account"),
    (402, "invalid_request_error", "Insufficient Balance", "account"),
    (403, "", "Sorry, your account balance is insufficient", "account"),
    (403, "", "Key limit exceeded (total limit)", "account"),
    (400, "Arrearage", "Access denied, make sure your account is in good standing", "account"),
    (400, "billing_hard_limit_reached", "Billing hard limit has been reached", "account"),
    (401, "invalid_api_key", "Incorrect API key provided", "key"),
    (403, "unsupported_country_region_territory", "Country not supported", "key"),
    (403, "", "Your chosen model requires moderation and your input was flagged", "prompt"),
    (400, "content_filter", "The response was filtered due to the prompt triggering ...", "prompt"),
    (400, "", "Content Exists Risk", "prompt"),
    (400, "data_inspection_failed", "Input data may contain inappropriate content.", "prompt"),
    (400, "invalid_prompt", "Your prompt was flagged as potentially violating our usage policy", "prompt"),
    (404, "model_not_found", "The model `m` does not exist", "model"),
    (404, "api_error", 'model "m" not found, try pulling it first', "model"),
    (400, "", "x/y is not a valid model ID", "model"),
    (400, "", "No models loaded. Please load a model in the developer page", "model"),
    (404, "DeploymentNotFound", "The API deployment for this resource does not exist.", "model"),
    (503, "unavailable_error", "Loading model", "trouble"),
    (500, "", "llama runner process has terminated", "trouble"),
    (529, "overloaded_error", "Overloaded", "trouble"),
    (408, "", "Request timed out", "trouble"),
    (400, "json_validate_failed", "Failed to generate JSON. Please adjust your prompt.", "answer"),
    (400, "", "This model's maximum context length is 128 tokens", "unknown"),
    (400, "", "something odd", "unknown"),
]
FORMS = [
    (400, "unsupported_parameter", "max_tokens", "Use 'max_completion_tokens' instead.", "max_tokens"),
    (400, "unsupported_value", "temperature", "Only the default (1) value is supported.", "temperature"),
    (400, "", "", "invalid temperature: only 1 is allowed for this model", "temperature"),
    (400, "", "", "Unsupported parameter: 'max_tokens' is not supported, 'temperature' is.", "max_tokens"),
    (422, "", "", '{"detail":[{"loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}', "seed"),
    (400, "", "messages[0].role", "'messages[0].role' does not support 'system' with this model.", "system"),
    (400, "", "", "System role not supported", "system"),
    (500, "", "", "Conversation roles must alternate user/assistant/user/assistant", "system"),
    (400, "", "", "Developer instruction is not enabled for models/gemma", "system"),
    (400, "", "response_format", "Invalid", ""),
    (400, "", "", "This response_format type is unavailable now", ""),
    (500, "", "", "Failed to parse grammar", ""),
]


@pytest.mark.parametrize(("status", "code", "said", "whom"), SAID)
def test_a_refusal_concerns_whom_it_concerns(status, code, said, whom):
    assert concern(Refusal(status=status, said=said, code=code), SENT) == (whom, "")


@pytest.mark.parametrize(("status", "code", "param", "said", "part"), FORMS)
def test_a_refusal_of_the_form_names_its_part(status, code, param, said, part):
    refused = Refusal(status=status, said=said, code=code, param=param)
    assert concern(refused, SENT) == ("form", part)


def test_what_was_not_sent_is_not_what_is_refused():
    refused = Refusal(status=400, said="max_tokens is not supported", param="max_tokens")
    assert concern(refused, ("model", "messages")) == ("unknown", "")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 429, "message": "slow"}}, 429),
        ({"error": "broken"}, 500),
        ({"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "x"}}]}, 502),
        ({"choices": [{"message": {"content": "fine"}}], "error": None}, None),
        ({"output": [], "error": None}, None),
        ([], None),
    ],
)
def test_a_refusal_may_come_as_an_answer(body, status):
    found = refusal_in(body)
    assert (found and found.status) == status


@pytest.mark.parametrize(
    "refused", [("max_tokens",), ("max_tokens", "max_completion_tokens"), ("temperature",), ("system",)]
)
def test_a_part_that_is_refused_is_left_out_from_then_on(tmp_path, refused):
    with serving(Chaos(share=0.0, lacks=refused)) as chaos:
        job = job_of(tmp_path, chaos, num=6)
        report = finish(job)
        assert report.outcomes == {"accepted": 6}
        assert report.requests["form_refused"] == len(refused)
        assert "response_format" in chaos.asked[-1][1], "nothing else is given up"


THOUGHTS = ["<think>{draft}</think>{answer}", "{draft}</think>\n{answer}", "[THINK]{draft}[/THINK]{answer}"]
DRAFT = json.dumps({"edit_prompt": "make it blue", "edited_prompt": "a blue car"})
ANSWER = json.dumps({"edit_prompt": "make it silver", "edited_prompt": "a silver car"})


@pytest.mark.parametrize(
    "form",
    [
        *THOUGHTS,
        "<thinking>\n{draft}\n</thinking>{answer}",
        "◁think▷{draft}◁/think▷{answer}",
        "<|channel|>analysis<|message|>{draft}<|end|><|start|>assistant<|channel|>final<|message|>{answer}",
        "A first idea: {draft}. Better:\n```json\n{answer}\n```",
    ],
)
def test_what_a_model_thinks_aloud_is_not_its_answer(form):
    text = form.replace("{draft}", DRAFT).replace("{answer}", ANSWER)
    found = read_text(text)
    assert found is not None and found.edit_prompt == "make it silver"


@pytest.mark.parametrize("text", [f"<think>{DRAFT}", f"<think>{DRAFT}</think>", f"[THINK]{DRAFT}"])
def test_a_thought_that_never_ends_is_no_answer(text):
    assert read_text(text) is None


def test_an_answer_may_come_in_parts_beside_thoughts():
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": DRAFT}]},
        {"type": "text", "text": ANSWER},
    ]
    reply = read_chat({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]})
    assert reply.answer is not None and reply.answer.edit_prompt == "make it silver"


@pytest.mark.parametrize("ended", ["length", "max_tokens", "MAX_TOKENS"])
def test_a_cut_answer_is_known_in_all_words(ended):
    assert (
        read_chat({"choices": [{"message": {"content": "{"}, "finish_reason": ended}]}).outcome == "cut_off"
    )


@pytest.mark.parametrize("header", ["0", "-5", "Wed, 01 Jan 2025 00:00:00 GMT", "soon", "nan", ""])
def test_no_header_makes_the_wait_shorter_than_ours(header):
    assert wait_of(retry_after({"retry-after": header}), 2.0) == 2.0
    assert wait_of(30.0, 2.0) == 30.0


@pytest.mark.parametrize("secret", ["sk-\u2019", "sk-a\nb"])
def test_a_key_that_no_header_can_carry_is_one_sentence(tmp_path, monkeypatch, secret):
    with serving(Chaos()) as chaos:
        job = job_of(tmp_path, chaos)
    monkeypatch.setenv("TEST_WRITER_KEY", secret)
    with pytest.raises(InvalidJob, match="holds no key"):
        key_of(job)
