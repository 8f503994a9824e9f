"""The first tables."""

from fedsov.control_plane.database.migrations.first_tables import overview, people, regions, rollouts, use, witnesses

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Changes the tables."""
    people.add_accounts()
    people.add_signing_in()
    regions.add_news()
    regions.add_settings()
    rollouts.add_repository()
    rollouts.add_rollouts()
    rollouts.add_steps()
    overview.add_totals()
    overview.add_cases()
    overview.add_parts()
    witnesses.add_heads()
    witnesses.add_shared()
    use.add_use()
