"""What the page shows of ledgers, counted as their entries come."""

import sqlalchemy as sa
from alembic import op


def add_totals() -> None:
    """Ledgers counted, and crossings by place."""
    op.create_table(
        "counted_ledgers",
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("strange", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
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


def add_cases() -> None:
    """Crossings that were refused, and those that wait for a person."""
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


def add_parts() -> None:
    """The other parts of the page."""
    op.create_table(
        "due",
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_table(
        "newest_plan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hub", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
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
