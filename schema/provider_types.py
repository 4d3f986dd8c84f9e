"""The GraphQL types of providers."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final

import strawberry

from providers.entry.about import Lifecycle
from providers.entry.provider import ExplainedScope
from providers.entry.provider import Provider as CatalogueEntry
from resolvers import directory
from resolvers.directory import UnavailableReason
from schema.info import Info
from schema.logo import logo


class ProviderCategory(StrEnum):
    """Those of `providers.entry.about.Category`."""

    WEARABLE = "wearable"
    TRAINING = "training"
    GLUCOSE = "glucose"
    MEASUREMENT = "measurement"
    HEALTH_RECORD = "health_record"
    IDENTITY = "identity"
    PLATFORM = "platform"
    DEVELOPMENT = "development"
    OTHER = "other"


class ProviderSignUps(StrEnum):
    """Those of `providers.entry.about.Lifecycle`."""

    OPEN = "open"
    REVIEW = "review"
    PARTNERS = "partners"
    HELD = "held"
    CLOSED = "closed"


strawberry.enum(
    ProviderCategory,
    description="The kind of a provider. `training`: platforms for workouts. `measurement`: scales and blood pressure."
    " `platform`: collects the data of many devices.",
    graphql_name_from="value",
)
strawberry.enum(
    ProviderSignUps,
    description="Who may register an app with a provider. `open`: anybody. `review`: anybody, but only a few users can"
    " connect until the vendor has reviewed the app. `partners`: only companies with a contract. `held`: nobody for"
    " now. `closed`: nobody any more.",
    graphql_name_from="value",
)
strawberry.enum(
    UnavailableReason,
    description="Why users can't connect to a provider here. `no_credentials`: this service has no credentials for it."
    " `no_sites`: it offers none of the provider's sites.",
    graphql_name_from="value",
)


@strawberry.type(description="A scope of a provider, with a sentence for users.")
class ProviderScope:
    scope: str = strawberry.field(description="As the provider writes it, such as `read:sleep`.")
    description: str | None = strawberry.field(
        description="What it allows, such as `Read your sleep.` Null if the catalogue doesn't say."
    )
    requested: bool = strawberry.field(
        description="Whether the request to the provider names it. False for further scopes that the provider has,"
        " and for all if the request names none."
    )


@strawberry.type(description="Who may register an app with a provider, and when its API ends.")
class ProviderLifecycle:
    sign_ups: ProviderSignUps = strawberry.field(description="Who may register an app, such as `review`.")
    ends: date | None = strawberry.field(
        description="The day on which the vendor turns the API off, such as `2026-12-31`. Null if none is known."
    )
    note: str | None = strawberry.field(
        description="What else there is to know, such as `Up to ten users until the vendor has reviewed the app.`"
    )


@strawberry.type(description="A region, or a hospital, of a provider that has several.")
class ProviderSite:
    id: strawberry.ID = strawberry.field(description="What `authorizeConnection` takes as `site`, such as `eu`.")
    name: str = strawberry.field(description="The name to show to people.")


@strawberry.type(description="Whether users can connect to a provider here, and why not.")
class ProviderAvailability:
    available: bool
    reason: UnavailableReason | None = strawberry.field(
        description="Such as `no_credentials`. Null if the provider is available."
    )


_AVAILABILITY: Final = {
    reason: ProviderAvailability(available=reason is None, reason=reason) for reason in (None, *UnavailableReason)
}


@strawberry.type(description="A health-data provider that users can connect to.")
class Provider:
    row: strawberry.Private[CatalogueEntry]

    @strawberry.field(description="A UUID derived from the slug, so it is the same in every installation.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="The name that inputs refer to, such as `oura`.")
    def slug(self) -> str:
        return self.row.slug

    @strawberry.field(description="The name to show to people.")
    def name(self) -> str:
        return self.row.name

    @strawberry.field(description="The kind of provider, such as `wearable`.")
    def category(self) -> ProviderCategory:
        return ProviderCategory(self.row.category)

    @strawberry.field(
        description="A mark to show beside the name: its initials on a square whose colour never changes. A URI for the"
        " `src` of an `img`, such as `data:image/svg+xml,%3Csvg…`."
    )
    def logo(self) -> str:
        return logo(self.row.slug, self.row.name)

    @strawberry.field(description="The URL of the provider's OAuth documentation.")
    def docs(self) -> str:
        return self.row.docs

    @strawberry.field(description="The scopes that users are asked to grant.")
    def scopes(self) -> list[str]:
        return list(self.row.authorize.scopes)

    @strawberry.field(
        description="The same scopes with a sentence for users, such as `Read your sleep.`, and further ones that the"
        " provider has.",
        graphql_type=list[ProviderScope],
    )
    def scope_details(self) -> list[ExplainedScope]:
        return list(self.row.explained_scopes)

    @strawberry.field(
        description="Who may register an app with the provider, and when its API ends.",
        graphql_type=ProviderLifecycle,
    )
    def lifecycle(self) -> Lifecycle:
        return self.row.lifecycle

    @strawberry.field(
        description="The sites that users choose from. Each is a connection of its own. Empty for a provider without"
        " sites."
    )
    def sites(self, info: Info) -> list[ProviderSite]:
        found = directory.sites_of(info.context, self.row)
        return [ProviderSite(id=strawberry.ID(id_), name=site.name) for id_, site in found.items()]

    @strawberry.field(description="Whether users can connect to it here. `availability` says why not.")
    def available(self, info: Info) -> bool:
        return directory.unavailable_because(info.context, self.row) is None

    @strawberry.field(description="Whether users can connect to it here, and why not, such as `no_credentials`.")
    def availability(self, info: Info) -> ProviderAvailability:
        return _AVAILABILITY[directory.unavailable_because(info.context, self.row)]
