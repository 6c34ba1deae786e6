"""Names, addresses and files of a testbed."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.testbed.layout import (
    HOME,
    LOGIN,
    LOGIN_ADDRESS,
    MAX_NODES,
    NETWORK,
    Plan,
    addresses,
    etc_files,
    node_names,
    node_set,
    site_links,
    sshd_config,
)

PASSWD = """root:x:0:0:root:/root:/bin/bash
sshd:x:104:65534::/run/sshd:/usr/sbin/nologin
ada:x:1000:1000:Ada:/home/ada:/bin/zsh
a damaged line
"""
GROUP = "root:x:0:\ntty:x:5:\nada:x:1000:\n"


def plan(uid: int = 0, nodes: int = 3, has_slurm: bool = False) -> Plan:
    return Plan(nodes, "/tmp/bed", uid, uid, ("/tmp/work",), (), "/venv/bin:/usr/bin", "/bin/bash", has_slurm)


@given(st.integers(1, MAX_NODES))
def test_every_node_has_a_name_and_an_address_of_its_own(count: int) -> None:
    found = addresses(count)
    assert tuple(found) == node_names(count)
    assert len({*found.values(), LOGIN_ADDRESS}) == count + 1
    assert all(ipaddress.ip_address(where) in NETWORK for where in (*found.values(), LOGIN_ADDRESS))
    assert not {str(NETWORK.network_address), str(NETWORK.broadcast_address)} & set(found.values())


@given(st.integers(1, MAX_NODES))
def test_names_sort_as_their_numbers_do(count: int) -> None:
    assert list(node_names(count)) == sorted(node_names(count))


@given(st.integers(1, MAX_NODES), st.booleans(), st.integers(0, 2000))
def test_a_plan_survives_its_journey_to_the_owner(nodes: int, has_slurm: bool, uid: int) -> None:
    sent = plan(uid, nodes, has_slurm)
    assert Plan.decode(sent.encode()) == sent


def test_each_node_is_on_the_bridge_by_a_cable_of_its_own() -> None:
    lines = site_links({1: 501, 2: 502}).splitlines()
    assert "link add v1 type veth peer name eth0 netns 501" in lines
    assert "link set v2 master br0 up" in lines


@pytest.mark.parametrize(
    ("uid", "account"),
    [
        (0, f"root:x:0:0:root:{HOME}:/bin/bash"),
        (1000, f"ada:x:1000:1000:ada:{HOME}:/bin/bash"),
        (1234, f"user:x:1234:1234:user:{HOME}:/bin/bash"),
    ],
)
def test_the_user_keeps_his_name_and_has_his_home_in_the_testbed(uid: int, account: str) -> None:
    lines = etc_files(plan(uid), PASSWD, GROUP)["passwd"].splitlines()
    assert lines[0] == account
    assert [line for line in lines if line.split(":")[2] == str(uid)] == [account]
    assert sum(line.startswith("sshd:") for line in lines) == 1


def test_no_account_is_locked() -> None:
    lines = etc_files(plan(), PASSWD, GROUP)["shadow"].splitlines()
    assert {line.split(":")[1] for line in lines} == {"*"}


def test_terminals_belong_to_a_group_only_where_groups_can_be_given() -> None:
    assert "tty:" in etc_files(plan(0), PASSWD, GROUP)["group"]
    assert "tty:" not in etc_files(plan(1000), PASSWD, GROUP)["group"]


def test_hosts_are_found_in_files_alone() -> None:
    files = etc_files(plan(), PASSWD, GROUP)
    assert f"{LOGIN_ADDRESS} {LOGIN}\n10.77.0.1 node01\n" in files["hosts"]
    assert "hosts: files\n" in files["nsswitch.conf"]
    assert "nameserver" not in files["resolv.conf"]


def test_slurm_is_configured_only_where_it_is_wanted() -> None:
    assert "slurm/slurm.conf" not in etc_files(plan(), PASSWD, GROUP)
    text = etc_files(plan(1000, has_slurm=True), PASSWD, GROUP)["slurm/slurm.conf"]
    assert "NodeName=node01,node02,node03 " in text
    assert "SlurmUser=1000\n" in text


def test_what_ssh_starts_finds_the_users_programs() -> None:
    assert 'SetEnv "PATH=/venv/bin:/usr/bin"\n' in sshd_config(plan())


@pytest.mark.parametrize(("count", "folded"), [(1, "node01"), (2, "node[01-02]"), (12, "node[01-12]")])
def test_nodes_have_a_name_as_a_set(count: int, folded: str) -> None:
    assert node_set(count) == folded
