"""Numbers of use, as regions report them."""

import sqlalchemy as sa
from alembic import op


def add_use() -> None:
    """Reports, and their sums by day."""
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
