"""Images, sounds and documents: Converse names them by format, others by media type (docs.aws.amazon.com,
API_runtime_ImageBlock, API_runtime_DocumentBlock, API_runtime_AudioBlock)."""

IMAGES = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
DOCUMENTS = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
SOUNDS = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "wav": "audio/wav",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "mp4": "audio/mp4",
    "ogg": "audio/ogg",
    "m4a": "audio/x-m4a",
    "webm": "audio/webm",
    "pcm": "audio/pcm",
}
TYPES = {"image": IMAGES, "document": DOCUMENTS, "audio": SOUNDS}
_SPELLED = {
    "image/jpg": "jpeg",
    "audio/mp3": "mp3",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "text/x-markdown": "md",
}
_FORMATS = {block: {kind: name for name, kind in kinds.items()} for block, kinds in TYPES.items()}


def format_of(block: str, media_type: str) -> str:
    """The format of a media type for a block of this kind; '' where there is none."""
    found = _FORMATS[block].get(media_type) or _SPELLED.get(media_type, "")
    if found:
        return found if found in TYPES[block] else ""
    return "txt" if block == "document" and media_type.startswith("text/") else ""
