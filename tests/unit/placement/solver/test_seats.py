"""Seats: whatever comes and goes, each node has its agents in its first seats."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.placement.solver.problem import NOWHERE
from phoenixctl.placement.solver.seats import Seats

AGENTS, NODES = 8, 4


def in_order(seats: Seats, where: list[int]) -> None:
    for node in range(NODES):
        count = int(seats.count[node])
        row = seats.rows[node].tolist()
        assert sorted(row[:count]) == [a for a in range(AGENTS) if where[a] == node]
        assert set(row[count:]) == {seats.nobody}
        assert all(seats.seat[agent] == seat for seat, agent in enumerate(row[:count]))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(NOWHERE, NODES - 1), min_size=AGENTS, max_size=AGENTS),
    st.lists(st.tuples(st.integers(0, AGENTS - 1), st.integers(NOWHERE, NODES - 1)), max_size=20),
)
def test_agents_that_leave_and_enter_one_by_one_are_in_their_seats(
    where: list[int], moves: list[tuple[int, int]]
) -> None:
    seats = Seats(np.array(where), NODES)
    for agent, node in moves:
        if where[agent] != NOWHERE:
            seats.leave(agent, where[agent])
        if node != NOWHERE:
            seats.enter(agent, node)
        where[agent] = node
        in_order(seats, where)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, NODES - 1), min_size=AGENTS, max_size=AGENTS),
    st.lists(st.randoms(use_true_random=False), min_size=1, max_size=6),
)
def test_agents_that_move_round_between_all_nodes_at_once_are_in_their_seats(
    where: list[int], dice: list[random.Random]
) -> None:
    seats = Seats(np.array(where), NODES)
    for die in dice:
        goes = [die.choice([*there, seats.nobody]) for there in agents_on(where)]
        nodes = np.arange(NODES)
        # Who leaves a node enters the next one.
        seats.exchange(nodes, np.array(goes), np.array(goes)[nodes - 1])
        for node, agent in enumerate(goes):
            if agent != seats.nobody:
                where[agent] = (node + 1) % NODES
        in_order(seats, where)


def agents_on(where: list[int]) -> list[list[int]]:
    return [[agent for agent in range(AGENTS) if where[agent] == node] for node in range(NODES)]


def test_a_full_row_gets_more_seats() -> None:
    seats = Seats(np.full(AGENTS, NOWHERE), NODES)
    for agent in range(AGENTS):
        seats.enter(agent, 2)
    in_order(seats, [2] * AGENTS)
    assert (seats.rows[:, -1] == seats.nobody).all()
