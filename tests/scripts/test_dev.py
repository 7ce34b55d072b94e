"""./dev: what it says and refuses; the totals of a test run."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def dev(*args):
    return subprocess.run([ROOT / "dev", *args], capture_output=True, text=True, timeout=60)


def test_help__names_every_command():
    shown = dev("help")
    assert shown.returncode == 0
    for command in ("setup", "build", "install", "run", "test", "bench", "fuzz", "fmt", "clean", "help"):
        assert f"./dev {command}" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_unknown_words__are_refused():
    assert dev("bulid").returncode == 1
    refused = dev("test", "unti")
    assert refused.returncode == 1 and "no suite named unti" in refused.stderr
    assert dev("bench", "nothing").returncode == 1
    assert dev("fmt", "--chekc").returncode == 1


def totals(tmp_path, *texts):
    for n, text in enumerate(texts):
        (tmp_path / f"{n}.xml").write_text(text)
    run = subprocess.run([ROOT / "tests/totals.py", *sorted(tmp_path.glob("*.xml"))], capture_output=True, text=True)
    return run.stdout.strip()


def test_totals__add_up(tmp_path):
    assert totals(tmp_path,
                  "<testsuites><testsuite><testcase/><testcase><failure/></testcase></testsuite></testsuites>",
                  "<testsuite><testcase><skipped/></testcase><testcase><error/></testcase></testsuite>",
                  ) == "1 passed, 2 failed, 1 skipped"


def test_totals__unreadable_file__is_a_failure(tmp_path):
    assert totals(tmp_path, "<testsuite>") == "0 passed, 1 failed, 0 skipped"


def test_install__everything_is_where_it_belongs(tmp_path):
    shown = dev("install", str(tmp_path / "usr"))
    assert shown.returncode == 0, shown.stderr
    assert f"{tmp_path}/usr/bin/vx6" in shown.stdout
    for path in ("share/man/man1/vx6.1", "share/bash-completion/completions/vx6", "share/zsh/site-functions/_vx6",
                 "share/fish/vendor_completions.d/vx6.fish", "share/doc/vx6/NOTICE"):
        assert (tmp_path / "usr" / path).stat().st_size > 100, path
    asked = subprocess.run([tmp_path / "usr/bin/vx6", "version", "--client"], capture_output=True, text=True, timeout=10)
    assert asked.returncode == 0 and asked.stdout.startswith("vx6 ")
