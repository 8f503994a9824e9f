"""Heads that parties witness of each other, and the entries that they share."""

import sqlalchemy as sa
from alembic import op


def add_heads() -> None:
    """Heads, and who noted and countersigned them."""
    op.create_table(
        "announced_heads",
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.Column("received", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("party"),
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
        "party_alarms",
        sa.Column("noter", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("noter", "party"),
    )


def add_shared() -> None:
    """Ledgers that are shared, and their parts."""
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
