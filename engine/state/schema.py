"""The tables, as SQLAlchemy sees them. `migrations.py` makes them; a test compares the two.

    images ◀───────────────┐ image          containers ──────────────┐
      id       64 hex, PK  │                  id       64 hex, PK    │ image
      digest   sha256:…    │                  name     unique        │ (no image goes while a container
      created_at, size     │                  image ─────────────────┴──▶ images.id       needs it)
      config   raw JSON    │                  image_name, layers, config, created_at, root_size
      manifest raw JSON    │                     … settled at creation
       ▲                   │                  status, start, pid, pid_start, boot, started_at,
       │ image             │                  finished_at, exit_code, oom_killed, error, rw_size
    image_names            │                     … change with every run
      number  PK, order    │
      name    unique       │                events
                           │                  number   PK, never used twice
    image_digests          │                  at       nanoseconds since the epoch
      number  PK, order    │                  type     container or image
      name    unique       │                  action   create, start, die, …
      image  ──────────────┤                  id, name, attributes (JSON)
                           │
    image_layers           │
      image  ──────────────┘
      position  0 is the base  } PK
      layer ──────┐
                  ▼
    layers
      chain     64 hex, PK (OCI image-spec, "Layer ChainID")
      diff_id, blob, media_type, size, blob_size
      parent ──▶ layers.chain, or null for a base

    networks ◀──────────┐ network  networks: bridge (unique), subnets, subnet6, asked: the configuration that it was made by,
      name PK           │          leased: the number that was given last
    leases ─────────────┘          leases: container PK, number (unique in its network): which address of the subnets,
      container PK ◀──────┐                ports: those of the host that lead to it, JSON; ipv6: whether it has one of subnet6
    published             │ container
      port, protocol ─────┘          } PK  by which a port's holder is found, however many leases there are

How often a layer is used is no column: it is the number of its rows in `image_layers`, which can't be wrong. `layers` and
`config` of a container, and `attributes` of an event, are JSON documents, written once and never searched. Times are nanoseconds.
"""

from typing import Any

from sqlalchemy import Boolean, Column, Integer, LargeBinary, MetaData, Table
from sqlalchemy import Text as PlainText
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from podlink.engine.state.rules import storable

APPLICATION_ID = 0x706F646C
"""`podl` in ASCII: by this number in the file's header we know our own files (SQLite, "PRAGMA application_id")."""


class Text(TypeDecorator[str]):
    """Text that SQLite can hold."""

    impl = PlainText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


def _columns(**kinds: type[Any]) -> list[Column[Any]]:
    return [Column(name, kind()) for name, kind in kinds.items()]


metadata = MetaData()

containers = Table(
    "containers",
    metadata,
    *_columns(id=Text, name=Text, image=Text, image_name=Text, layers=Text, config=Text, created_at=Integer, root_size=Integer),
    *_columns(status=Text, start=Integer, pid=Integer, pid_start=Integer, boot=Text, started_at=Integer, finished_at=Integer),
    *_columns(exit_code=Integer, oom_killed=Boolean, error=Text, rw_size=Integer),
)

images = Table(
    "images",
    metadata,
    *_columns(id=Text, digest=Text, created_at=Integer, size=Integer, config=LargeBinary, manifest=LargeBinary),
)

image_names = Table("image_names", metadata, *_columns(number=Integer, name=Text, image=Text))

image_digests = Table("image_digests", metadata, *_columns(number=Integer, name=Text, image=Text))

image_layers = Table("image_layers", metadata, *_columns(image=Text, position=Integer, layer=Text))

layers = Table(
    "layers",
    metadata,
    *_columns(chain=Text, diff_id=Text, blob=Text, media_type=Text, size=Integer, blob_size=Integer, parent=Text),
)

networks = Table(
    "networks",
    metadata,
    *_columns(name=Text, bridge=Text, subnet=Text, subnet6=Text, fixed=Boolean, created_at=Integer, asked=Text, leased=Integer),
)

leases = Table("leases", metadata, *_columns(container=Text, network=Text, number=Integer, ports=Text, ipv6=Boolean))

published = Table("published", metadata, *_columns(port=Integer, protocol=Text, container=Text))

events = Table(
    "events",
    metadata,
    *_columns(number=Integer, at=Integer, type=Text, action=Text, id=Text, name=Text, attributes=Text),
)
