"""The handlers of the image methods."""

from typing import Any

from podlink.api.podman.convert import compact, go_time
from podlink.api.varlink.check import Struct
from podlink.api.varlink.service import Call
from podlink.engine.host import Host
from podlink.engine.images.export import export_image
from podlink.engine.images.history import HistoryRecord, history
from podlink.engine.images.import_ import import_image
from podlink.engine.images.inspect import inspect_image
from podlink.engine.images.list import ImageSummary, list_images
from podlink.engine.images.pull import pull
from podlink.engine.images.push import push
from podlink.engine.images.remove import delete_unused
from podlink.engine.images.search import search_images
from podlink.engine.images.tag import tag_image
from podlink.engine.oci.distribution.listing import Found
from podlink.engine.system.images import remove_image

Parameters = dict[str, Any]


def import_one(host: Host, call: Call, args: Struct) -> Parameters:
    texts = args["source"], args["reference"], args["message"], args["changes"]
    return {"image": import_image(host, *texts, call.cancelled)}


def pull_one(host: Host, call: Call, args: Struct) -> Parameters:
    """One reply, with `more` too: the interface has no type for what is on its way."""
    return {"id": pull(host, args["name"], cancel=call.cancelled)}


def push_one(host: Host, call: Call, args: Struct) -> Parameters:
    texts = args["name"], args["tag"]
    return {"image": push(host, *texts, tls_verify=args["tlsverify"], cancel=call.cancelled)}


def export_one(host: Host, call: Call, args: Struct) -> Parameters:
    texts = args["name"], args["destination"], args["compress"], args["tags"]
    return {"image": export_image(host, *texts, cancel=call.cancelled)}


def list_all(host: Host, call: Call, args: Struct) -> Parameters:
    return {"images": [list_data(image) for image in list_images(host)]}


def list_data(image: ImageSummary) -> Parameters:
    """The `ImageInList` type. An image has layers here and no parent image; its size and its virtual size are the same."""
    return {
        "id": image.id,
        "parentId": "",
        "repoTags": list(image.names),
        "repoDigests": list(image.digests),
        "created": go_time(image.created),
        "size": image.size,
        "virtualSize": image.size,
        "containers": image.containers,
        "labels": dict(image.labels),
    }


def inspect_one(host: Host, call: Call, args: Struct) -> Parameters:
    return {"image": compact(inspect_image(host, args["name"]))}


def history_of(host: Host, call: Call, args: Struct) -> Parameters:
    return {"history": [history_data(record) for record in history(host, args["name"])]}


def history_data(record: HistoryRecord) -> Parameters:
    """The `ImageHistory` type."""
    return {
        "id": record.id,
        "created": go_time(record.created),
        "createdBy": record.created_by,
        "tags": list(record.tags),
        "size": record.size,
        "comment": record.comment,
    }


def tag_one(host: Host, call: Call, args: Struct) -> Parameters:
    return {"image": tag_image(host, args["name"], args["tagged"])}


def remove_one(host: Host, call: Call, args: Struct) -> Parameters:
    return {"image": remove_image(host, args["name"], args["force"])}


def delete_all_unused(host: Host, call: Call, args: Struct) -> Parameters:
    return {"images": delete_unused(host)}


def search(host: Host, call: Call, args: Struct) -> Parameters:
    return {"images": [search_data(found) for found in search_images(host, args["name"], args["limit"], call.cancelled)]}


def search_data(found: Found) -> Parameters:
    """The `ImageSearch` type."""
    return {
        "description": found.description,
        "is_official": found.official,
        "is_automated": found.automated,
        "name": found.name,
        "star_count": found.stars,
    }


HANDLERS = {
    "PullImage": pull_one,
    "PushImage": push_one,
    "ExportImage": export_one,
    "ImportImage": import_one,
    "ListImages": list_all,
    "InspectImage": inspect_one,
    "HistoryImage": history_of,
    "TagImage": tag_one,
    "RemoveImage": remove_one,
    "DeleteUnusedImages": delete_all_unused,
    "SearchImage": search,
}
