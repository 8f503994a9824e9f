"""Versions on their way to regions."""

import sqlalchemy as sa
from alembic import op


def add_repository() -> None:
    """The repository that regions read."""
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


def add_rollouts() -> None:
    """Rollouts, and what each region is to serve."""
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
        "wanted_lists",
        sa.Column("region", sa.String(length=200), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("rollout", sa.Integer(), nullable=False),
        sa.Column("direction", sa.String(length=10), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("region"),
    )


def add_steps() -> None:
    """What belongs to a rollout."""
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
