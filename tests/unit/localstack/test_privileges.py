import os
import pwd

from localstack.privileges import hand_over, unprivileged


def test_an_ordinary_user_runs_the_command_as_it_is():
    assert unprivileged(["postgres", "-D", "x"], root=False) == ["postgres", "-D", "x"]


def test_root_runs_it_as_nobody_who_may_read():
    program, *words = unprivileged(["postgres", "-D", "x"], root=True)
    nobody = pwd.getpwnam("nobody")
    assert program.endswith("setpriv")
    assert words[:2] == [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"]
    assert "--ambient-caps=-all,+dac_read_search" in words
    assert words[-4:] == ["--", "postgres", "-D", "x"]


def test_a_folder_is_handed_to_who_runs_it(tmp_path):
    folder = tmp_path / "a" / "b"
    hand_over(folder)
    owner = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    assert folder.stat().st_uid == owner
    assert folder.stat().st_mode & 0o777 == 0o700
