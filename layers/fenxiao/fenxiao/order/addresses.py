"""Addresses of members."""

import hashlib

import msgspec

from fenxiao.order.contract import AddressView, NewAddress, address_view
from fenxiao.order.model import Address
from fenxiao.order.store import AddressStore


def add_address(addresses: AddressStore, member_id: str, request: NewAddress) -> AddressView:
    """Keep an address; its id follows from its content, so that adding it again adds none.

    Raises:
        TooManyAddressesError: the member keeps as many as one may.
    """
    address = Address(recipient=request.recipient, phone=request.phone, region=request.region, street=request.street)
    address_id = hashlib.sha256(msgspec.json.encode(address)).hexdigest()[:16]
    addresses.put(member_id, address_id, address)
    return address_view(address_id, address)
