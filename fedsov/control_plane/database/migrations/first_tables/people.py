"""Who signs in at the hub's pages."""

import sqlalchemy as sa
from alembic import op


def add_accounts() -> None:
    """Accounts and their sessions."""
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


def add_signing_in() -> None:
    """Signing in, by a password or at an OpenID provider."""
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
