"""What providers say on their own pages that they do with what an API is sent. What a page leaves open is left out:
unknown stays unknown."""

from freehold.catalog.schema import DataPolicy

READ = "2026-11-25"

POLICIES = {
    "openai": DataPolicy(
        retention_days=30,
        trains=False,
        source="https://developers.openai.com/api/docs/guides/your-data",
        read=READ,
        note="longer where the law asks for it; features that keep state keep it longer",
    ),
    "xai": DataPolicy(
        retention_days=30,
        trains=False,
        source="https://docs.x.ai/docs/faq/security",
        read=READ,
    ),
    "groq": DataPolicy(
        retention_days=0,
        source="https://console.groq.com/docs/your-data",
        read=READ,
        note="up to 30 days for batches, and where a failure or abuse is looked into",
    ),
    "gemini": DataPolicy(
        retention_days=55,
        source="https://ai.google.dev/gemini-api/docs/usage-policies",
        read=READ,
        note="whether it trains depends on whether the project pays",
    ),
    "fireworks": DataPolicy(
        retention_days=0,
        source="https://docs.fireworks.ai/accounts/zero-data-retention.md",
        read=READ,
        note="stored responses, batches and training keep what they need",
    ),
    "vertex": DataPolicy(
        trains=False,
        source="https://docs.cloud.google.com/gemini-enterprise-agent-platform/resources/zero-data-retention",
        read=READ,
        note="how long it keeps depends on the feature",
    ),
}
