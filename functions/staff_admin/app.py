"""Administration of staff, invoked directly by whoever the account's own access rules allow."""

import msgspec

from fenxiao import wiring
from fenxiao.identity.contract import CreateStaff, StaffCreated
from fenxiao.identity.staff import create_staff
from fenxiao.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: object, _context: object) -> object:
    """Create a staff member; answers the id and, this once, the key to sign in with.

    Raises:
        msgspec.ValidationError: the order is not of the contract's form.
        NotFoundError: the member account that is said to be theirs does not exist.
    """
    created: StaffCreated = create_staff(
        msgspec.convert(event, CreateStaff),
        wiring.staff(),
        wiring.members(),
        wiring.token_keys(),
        wiring.wall_clock(),
    )
    return msgspec.to_builtins(created)
