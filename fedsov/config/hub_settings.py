"""A run's settings become what its hub needs of them (`fedsov.hub.settings`), and what it asks of every region."""

from __future__ import annotations

from datetime import date

from fedsov.config.settings import Settings
from fedsov.hub.settings import HubSettings, HubTraining
from fedsov.label import Scope
from fedsov.model.declared_values import read_bounds
from fedsov.model.network import Parameters, check_frozen, initial
from fedsov.partition.description import description_of, of_schema
from fedsov.protocol.calendar import real_day
from fedsov.protocol.job import Asked, TrainingJob
from fedsov.storage.workspace import Workspace


def training_job(settings: Settings) -> TrainingJob:
    """What the settings ask of every region."""
    return TrainingJob(
        dataset=settings.dataset.name,
        target=settings.dataset.target,
        recipe=settings.recipe,
        seed=settings.seed,
        synthesizer=settings.synthetic.synthesizer,
        synthetic_rows=settings.synthetic.rows,
        privacy=settings.privacy,
        rounds=settings.federation.rounds,
        schedule=settings.federation.schedule,
        compression=settings.federation.compression,
        personalization=settings.personalization,
        algorithm=settings.algorithm,
        patience=settings.federation.patience or 0,
        calls_examples=settings.dataset.examples is not None,
        bounds=read_bounds(settings.plain["dataset"].get("bounds", {})),
    )


def asked(settings: Settings) -> Asked:
    """What the settings would like of every region's border; paths are absolute, whatever folder they were named from.

    A consent that is drawn by a share keeps no seed: which people the draw names follows from the job's.
    """
    border, dataset = settings.border, settings.dataset
    return Asked(
        evidence=border.evidence and border.evidence.resolve(),
        rules=border.rules and border.rules.resolve(),
        unsafe_open=border.unsafe_open,
        today=_first_day(settings),
        days_per_round=settings.federation.days_per_round,
        examples=dataset.examples,
        consent=None if dataset.consent is None else dataset.consent.to_settings(),
        description=description_of(dataset) | of_schema(settings.plain["dataset"]),
    )


def _first_day(settings: Settings) -> date | None:
    """The day that the settings name. Example rows do not outrun the law: past its horizon their day is the last one on
    which the law counts as known, a rehearsed day, which every entry, plan, table and report says.
    """
    border = settings.border
    if settings.today is not None or settings.dataset.examples is None or border.unsafe_open:
        return settings.today
    last = border.bundle(Workspace(settings.workspace).law).horizon
    return last if real_day() > last else None


def hub_settings(settings: Settings) -> HubSettings:
    """What the hub needs of the settings."""
    consent = settings.dataset.consent
    return HubSettings(
        workspace=settings.workspace,
        plain=settings.plain,
        hub=settings.federation.hub,
        border=settings.border,
        strategy=settings.strategy,
        training=_hub_training(settings),
        dataset=settings.dataset.name,
        task=settings.dataset.target.task,
        job=training_job(settings),
        asked=asked(settings),
        synthetic_rows=settings.synthetic.rows,
        consent_document=None if consent is None else consent.document,
    )


def _hub_training(settings: Settings) -> HubTraining:
    def first_parameters(inputs: int, scope: str) -> Parameters:
        """Of the start model for others the whole network, of the global model the shared parameters.

        Raises ConfigurationError where a parameter that requires no gradient would be sent.
        """
        network = settings.recipe.network
        private = settings.personalization.names(network, inputs)
        check_frozen(network, inputs, {*settings.recipe.frozen, *private})
        start = initial(settings.recipe.network, inputs, settings.seed)
        return start if scope != Scope.SHAREABLE else settings.personalization.shared(start, settings.recipe.network)

    return HubTraining(
        spec=settings.training,
        first_parameters=first_parameters,
        timeout=settings.runtime.timeout,
        secure_sum=settings.secure_sum,
        adds_noise=settings.privacy is not None,
    )
