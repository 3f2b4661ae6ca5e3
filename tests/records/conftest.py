import pytest

from dmtlib.records.store import record_path, write_record


@pytest.fixture
def keep(tmp_path, request):
    """A folder of records, and how to add one: the arguments are those of the module's own ``record``."""

    def write(*arguments, **settings):
        made = request.module.record(*arguments, **settings)
        write_record(record_path(tmp_path, made), made)
        return tmp_path

    return write
