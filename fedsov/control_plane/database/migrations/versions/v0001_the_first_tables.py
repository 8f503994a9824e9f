"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Changes the tables."""
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("roles", sa.String(length=200), nullable=False),
        sa.Column("regions", sa.Text(), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=False),
        sa.Column("is_temporary", sa.Boolean(), nullable=False),
        sa.Column("temporary_until", sa.Float(), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("added", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("subject"),
    )
    op.create_table(
        "announced_heads",
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.Column("received", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("party"),
    )
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "counted_ledgers",
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("strange", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
    op.create_table(
        "countersignatures",
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("witness", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("party", "witness"),
    )
    op.create_table(
        "crossing_places",
        sa.Column("code", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code"),
    )
    op.create_table(
        "crossing_routes",
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("destination", sa.String(length=200), nullable=False),
        sa.Column("permitted", sa.BigInteger(), nullable=False),
        sa.Column("reviewed", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "origin", "destination"),
    )
    op.create_table(
        "crossing_totals",
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("permitted", sa.BigInteger(), nullable=False),
        sa.Column("reviewed", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
    op.create_table(
        "document_uses",
        sa.Column("document", sa.String(length=400), nullable=False),
        sa.Column("crossings", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("document"),
    )
    op.create_table(
        "due",
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_table(
        "head_proofs",
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("party", "before"),
    )
    op.create_table(
        "heads_noted",
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("witness", sa.String(length=64), nullable=False),
        sa.Column("head", sa.String(length=90), nullable=False),
        sa.PrimaryKeyConstraint("party", "witness"),
    )
    op.create_table(
        "newest_plan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hub", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "notices",
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("region", "subject"),
    )
    op.create_table(
        "openid_sign_ins",
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("guest", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=128), nullable=False),
        sa.Column("onward", sa.String(length=2000), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("state"),
    )
    op.create_table(
        "party_alarms",
        sa.Column("noter", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("noter", "party"),
    )
    op.create_table(
        "proposed_settings",
        sa.Column("region", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("region", "key"),
    )
    op.create_table(
        "refusal_cases",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("exporter", sa.Text(), nullable=False),
        sa.Column("importer", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("lists", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("last", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_refusal_cases_last"), "refusal_cases", ["last"], unique=False)
    op.create_table(
        "regions",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("reachable_since", sa.Float(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "repository_contents",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_table(
        "repository_files",
        sa.Column("path", sa.String(length=500), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("path"),
    )
    op.create_table(
        "repository_readers",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=63), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "region"),
    )
    op.create_table(
        "repository_regions",
        sa.Column("region", sa.String(length=63), nullable=False),
        sa.Column("verify_key", sa.String(length=64), nullable=False),
        sa.Column("drafted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("region"),
    )
    op.create_table(
        "repository_roles",
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("role", "version"),
    )
    op.create_table(
        "review_cases",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("exporter", sa.Text(), nullable=False),
        sa.Column("importer", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("origins", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("first", sa.String(length=40), nullable=False),
        sa.Column("last", sa.String(length=40), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=40), nullable=False),
        sa.Column("until", sa.String(length=40), nullable=False),
        sa.Column("withdrawn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "rollouts",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("canary", sa.String(length=200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("proposal", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(op.f("ix_rollouts_state"), "rollouts", ["state"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("began", sa.Float(), nullable=False),
        sa.Column("seen", sa.Float(), nullable=False),
        sa.Column("ends", sa.Float(), nullable=False),
        sa.Column("is_program", sa.Boolean(), nullable=False),
        sa.Column("must_choose", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index(op.f("ix_sessions_name"), "sessions", ["name"], unique=False)
    op.create_table(
        "settings_answers",
        sa.Column("region", sa.String(length=63), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("region"),
    )
    op.create_table(
        "settings_proposals",
        sa.Column("region", sa.String(length=63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("region"),
    )
    op.create_table(
        "shared_ledgers",
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sharing", sa.String(length=20), nullable=False),
        sa.Column("frontier", sa.Text(), nullable=False),
        sa.Column("head", sa.JSON(), nullable=True),
        sa.Column("path", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("party"),
    )
    op.create_table(
        "shared_parts",
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("entry", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("party", "first"),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pair", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_sign_in_attempts_address"), "sign_in_attempts", ["address"], unique=False)
    op.create_index(op.f("ix_sign_in_attempts_name"), "sign_in_attempts", ["name"], unique=False)
    op.create_index(op.f("ix_sign_in_attempts_pair"), "sign_in_attempts", ["pair"], unique=False)
    op.create_table(
        "told_budgets",
        sa.Column("region", sa.String(length=200), nullable=False),
        sa.Column("spent", sa.Float(), nullable=True),
        sa.Column("lifetime", sa.Float(), nullable=True),
        sa.Column("delta", sa.Float(), nullable=True),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("unbounded_since", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("region"),
    )
    op.create_table(
        "use_days",
        sa.Column("region", sa.String(length=100), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False),
        sa.Column("begins", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("noise", sa.Boolean(), nullable=False),
        sa.Column("drift", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("region", "day", "model", "version", "role"),
    )
    op.create_table(
        "use_parts",
        sa.Column("region", sa.String(length=100), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("seconds", sa.String(length=10), nullable=False),
        sa.Column("score", sa.String(length=10), nullable=False),
        sa.Column("least", sa.BigInteger(), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("region", "day", "model", "version", "role", "outcome", "seconds", "score"),
    )
    op.create_table(
        "use_reports",
        sa.Column("region", sa.String(length=100), nullable=False),
        sa.Column("begins", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("came_at", sa.Float(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("region", "begins"),
    )
    op.create_index(op.f("ix_use_reports_ends"), "use_reports", ["ends"], unique=False)
    op.create_table(
        "wanted_lists",
        sa.Column("region", sa.String(length=200), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("rollout", sa.Integer(), nullable=False),
        sa.Column("direction", sa.String(length=10), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("region"),
    )
    op.create_table(
        "rollout_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rollout", sa.Integer(), nullable=False),
        sa.Column("region", sa.String(length=200), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("act", sa.String(length=40), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rollout"],
            ["rollouts.number"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_rollout_events_rollout"), "rollout_events", ["rollout"], unique=False)
    op.create_table(
        "rollout_lists",
        sa.Column("rollout", sa.Integer(), nullable=False),
        sa.Column("region", sa.String(length=200), nullable=False),
        sa.Column("direction", sa.String(length=10), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.LargeBinary(), nullable=False),
        sa.Column("is_signed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rollout"],
            ["rollouts.number"],
        ),
        sa.PrimaryKeyConstraint("rollout", "region", "direction"),
    )
    op.create_table(
        "rollout_steps",
        sa.Column("rollout", sa.Integer(), nullable=False),
        sa.Column("region", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("word", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["rollout"],
            ["rollouts.number"],
        ),
        sa.PrimaryKeyConstraint("rollout", "region"),
    )
