"""The API that other programs speak: OpenAI's endpoints for pictures, answered by the page's own editors."""
