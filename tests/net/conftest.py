"""Fixtures of the network tests: one laboratory, one pair of hosts, agents as tests ask for them."""
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import lab as lab_module  # noqa: E402
import overlay  # noqa: E402
import programs  # noqa: E402

# what takes half an hour, and is there to be measured
collect_ignore = [] if lab_module.FULL else ["test_hidden_failure.py"]


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): a test that may take longer than the usual 60 s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that fixtures are torn down


def pytest_collection_modifyitems(items):
    reason = lab_module.why_not()
    for item in items:
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def time_limit(request):
    marker = request.node.get_closest_marker("limit")
    seconds = (marker.args[0] if marker else 60) * (10 if lab_module.FULL else 1)

    def over(*_):
        raise TimeoutError(f"the test took longer than {seconds} s")

    old = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when != "teardown" and report.failed and Current.lab:
        for n, proc in enumerate(Current.lab.procs):
            mine = n >= item.stash.get(FIRST_PROC, 0) or proc.running() and proc.name.startswith("vx6-")
            if mine and proc.log.exists() and proc.log.stat().st_size:
                report.sections.append((f"log of {proc.name} (pid {proc.pid})", proc.text()[-2500:]))


class Current:
    lab = None


FIRST_PROC = pytest.StashKey()


def pytest_runtest_setup(item):
    item.stash[FIRST_PROC] = len(Current.lab.procs) if Current.lab else 0


@pytest.fixture(scope="session")
def lab():
    with lab_module.Lab() as laboratory:
        Current.lab = laboratory
        yield laboratory
        Current.lab = None


@pytest.fixture(scope="session")
def pair(lab):
    """Hosts alice and bob, joined by the emulator, with the real programs bound to alice's loopback."""
    alice, bob = lab.host("alice"), lab.host("bob")
    return overlay.Pair(lab, alice, bob, lab.wan(alice, bob))


@pytest.fixture(scope="session")
def load_server(lab, pair):
    return programs.load_server(lab, pair.alice)


@pytest.fixture(scope="session")
def sshd(lab, pair):
    return programs.Ssh(lab, pair.alice)


@pytest.fixture(params=["quic", "tcp"])
def transport(request):
    return request.param


@pytest.fixture
def clean_wan(pair):
    pair.wan.reset()
    yield pair.wan
    pair.wan.reset()


@pytest.fixture
def agents(pair, clean_wan, request):
    """A factory of agents that live for one test."""
    made = overlay.Agents(pair)
    yield made
    made.stop()


@pytest.fixture
def duo(agents, transport, load_server):
    """alice publishes "load"; bob, connected over one transport, has a forward to it."""
    return agents.duo(transport)
