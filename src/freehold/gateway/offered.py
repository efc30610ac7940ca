"""What clients know of the providers' APIs and is not offered here, with the way out."""

_EXACTLY = {
    "/v1/chat": "Cohere's first chat is not served: ask at /v2/chat",
    "/v1/embed": "Cohere's first embeddings are not served: ask at /v2/embed",
}
_BELOW = {"/v1/chat/completions/": "Chat completions are not kept: ask at /v1/responses, whose answers are"}
_NOT_OFFERED = {
    "/v1/responses/compact": "Responses are not compacted: send a shorter `input`, or ask a model for a summary of it",
    "/v1/conversations": "Conversations are not kept: continue a response with `previous_response_id`, or send the "
    "whole conversation as `input`",
    "/v1/assistants": "Assistants are not served; OpenAI replaced them by Responses: ask at /v1/responses",
    "/v1/threads": "Threads are not served; OpenAI replaced them by Responses: ask at /v1/responses",
    "/v1/vector_stores": "Vector stores are not kept: search where your documents are and send what was found",
    "/v1/uploads": "Uploads in parts are not taken: send the file whole to /v1/files",
    "/v1/audio": "Speech and transcription are not served: send sound in a message to a model that hears",
    "/v1/images": "Images are not made here: ask the provider that makes them",
    "/v1/videos": "Videos are not made here: ask the provider that makes them",
    "/v1/realtime": "Realtime sessions are not served: stream a response",
    "/v1/fine_tuning": "Models are tuned with `freehold tune`, from your own traffic",
    "/v1/fine-tunes": "Models are tuned with `freehold tune`, from your own traffic",
    "/v1/evals": "Models are compared with `freehold evaluate` and `freehold swap`",
    "/v1/containers": "Containers are not run: offer your own tools to the model",
    "/v1/complete": "Anthropic's elder completions are not served: ask at /v1/messages",
    "/v1/skills": "Skills are not kept: offer your own tools to the model",
    "/v1beta/cachedContents": "Contents are not cached by name: models that cache do so by what a prompt begins with",
    "/v1beta/files": "Files are not kept for Gemini's clients: send the data in the request, or its address",
    "/upload/v1beta/files": "Files are not kept for Gemini's clients: send the data in the request, or its address",
    "/v1beta/tunedModels": "Models are tuned with `freehold tune`, from your own traffic",
    "/api/pull": "Models are not managed here: pull them with your Ollama server",
    "/api/push": "Models are not managed here: push them with your Ollama server",
    "/api/create": "Models are not managed here: create them with your Ollama server",
    "/api/copy": "Models are not managed here: copy them with your Ollama server",
    "/api/delete": "Models are not managed here: delete them with your Ollama server",
    "/api/blobs": "Models are not managed here: send blobs to your Ollama server",
}
_METHODS = {
    "batchGenerateContent": "Batches of Gemini are not taken: send them as files to /v1/batches",
    "predict": "Images and videos are not made here: ask the provider that makes them",
    "predictLongRunning": "Images and videos are not made here: ask the provider that makes them",
    "rawPredict": "Anthropic's models are asked at /v1/messages",
    "streamRawPredict": "Anthropic's models are asked at /v1/messages",
}
"""Of a model in Google's paths."""


def not_offered(path: str) -> str:
    """Why nothing is served at a path of a known API, and what to do instead; '' for any other path."""
    why = _EXACTLY.get(path) or next((why for at, why in _BELOW.items() if path.startswith(at)), "")
    why = why or next((why for at, why in _NOT_OFFERED.items() if path == at or path.startswith(f"{at}/")), "")
    if not why and path.startswith(("/v1beta", "/v1/models/", "/v1/projects/")):
        why = _METHODS.get(path.rpartition(":")[2], "")
    if not why and path.startswith("/model/"):
        why = "Models of Bedrock are asked with `converse` and `converse-stream`" if "/invoke" in path else ""
    return f"{why} ({path[:200]} is not offered)" if why else ""
