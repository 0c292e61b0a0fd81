"""The mutants of the scripts, and the contract tests that must notice each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.contract import (
    test_cancel,
    test_clock,
    test_enqueue,
    test_exchange_claim,
    test_extend,
    test_fencing,
    test_idempotence,
    test_pause,
    test_promote,
    test_reap,
    test_remember,
    test_retention,
    test_revive,
    test_settle,
    test_unique,
    test_views,
    test_wake,
    test_watch,
)
from tests.contract.bench import Bench

Check = Callable[[Bench], Awaitable[None]]


class Mutant(NamedTuple):
    """A patch of one line, and the tests of which one must fail."""

    what: str
    file: str
    old: str
    new: str
    killers: tuple[Check, ...]


def _with(check: Callable[..., Awaitable[None]], *args: object) -> Check:
    return lambda store: check(store, *args)


MUTANTS = [
    Mutant(
        "any token will do",
        "lib/run",
        "return record and string.sub(record, 1, #token + 1) == token .. ' '",
        "return record",
        (_with(test_fencing.test_the_claim_before_the_newest_is_refused, "complete"),),
    ),
    Mutant(
        "the start of a token will do",
        "lib/run",
        "string.sub(record, 1, #token + 1) == token .. ' '",
        "string.sub(record, 1, #token) == token",
        (_with(test_fencing.test_the_start_of_a_token_is_not_the_token, "complete"),),
    ),
    Mutant(
        "a completion counts as often as it is given",
        "lib/settle",
        "if mine and leases[i] and not seen[id] then",
        "if mine and leases[i] then",
        (test_idempotence.test_a_completion_given_twice_in_one_call_counts_once,),
    ),
    Mutant(
        "a completion does not look whether the job still runs",
        "lib/settle",
        "if mine and leases[i] and not seen[id] then",
        "if mine and not seen[id] then",
        (_with(test_fencing.test_a_claim_of_a_job_that_was_reaped_is_refused, "complete"),),
    ),
    Mutant(
        "a reaped job is left in the running set",
        "lib/reap",
        "redis.call('ZREM', keys.running, unpack(ids))",
        "",
        (test_reap.test_at_its_deadline_the_job_is_ready_again_and_the_attempt_not_counted,),
    ),
    Mutant(
        "reaping early by a second",
        "lib/reap",
        "'-inf', q.now, 'BYSCORE'",
        "'-inf', q.now + 1000, 'BYSCORE'",
        (test_reap.test_a_lease_lasts_until_its_deadline,),
    ),
    Mutant(
        "a lost run counts as an attempt",
        "lib/reap",
        "if run.attempt > 0 then run.attempt = run.attempt - 1 end",
        "",
        (test_reap.test_at_its_deadline_the_job_is_ready_again_and_the_attempt_not_counted,),
    ),
    Mutant(
        "a job may kill workers for ever",
        "lib/reap",
        "elseif run.lost > spec_max_lost(spec) then",
        "elseif false then",
        (_with(test_reap.test_a_job_that_loses_more_workers_than_it_may_is_buried, 1),),
    ),
    Mutant(
        "the memo is ignored",
        "exchange",
        "string.sub(last, 1, #nonce + 1) == nonce .. ' '",
        "false",
        (test_idempotence.test_a_repeated_exchange_gives_the_same_claims_and_claims_no_more,),
    ),
    Mutant(
        "any memo will do",
        "exchange",
        "string.sub(last, 1, #nonce + 1) == nonce .. ' '",
        "true",
        (test_exchange_claim.test_no_more_than_the_limit_is_claimed,),
    ),
    Mutant(
        "a late call claims",
        "exchange",
        "if late then limit = 0 end",
        "",
        (test_idempotence.test_a_call_that_is_late_claims_nothing_for_a_worker_that_has_asked_again_since,),
    ),
    Mutant(
        "a paused queue hands out",
        "exchange",
        "if limit > 0 and not q.paused then",
        "if limit > 0 then",
        (test_pause.test_a_paused_queue_hands_out_nothing,),
    ),
    Mutant(
        "a release counts as an attempt",
        "lib/settle",
        "if kind == 'snooze' or kind == 'release' then",
        "if kind == 'snooze' then",
        (_with(test_settle.test_snooze_and_release_wait_their_delay_and_are_no_attempt, "release"),),
    ),
    Mutant(
        "a cancelled job comes back",
        "lib/settle",
        "if asked and kind ~= 'bury' then kind = 'cancel' end",
        "",
        (_with(test_cancel.test_a_job_asked_to_cancel_does_not_come_back, "retry"),),
    ),
    Mutant(
        "unique keys are not given back",
        "lib/ended",
        "redis.call('HDEL', unique, key)",
        "",
        (_with(test_unique.test_every_way_to_end_gives_the_key_back, "complete"),),
    ),
    Mutant(
        "an ended job gives back another's unique key",
        "lib/ended",
        "if key ~= '' and redis.call('HGET', unique, key) == ids[i] then",
        "if key ~= '' then",
        (test_unique.test_an_ended_job_does_not_give_back_the_key_that_another_holds_by_now,),
    ),
    Mutant(
        "those who wait are not told",
        "lib/ended",
        "tell_waiters(keys.waiters, keys.done, ids, n)",
        "",
        (_with(test_watch.test_every_way_to_end_is_told, "complete"),),
    ),
    Mutant(
        "the queue's clock runs back",
        "lib/queue",
        "if seen > now then now = seen end",
        "",
        (_with(test_clock.test_the_queues_clock_does_not_run_back, "tidy"),),
    ),
    Mutant(
        "promotion does not look at the time",
        "lib/due",
        "'-inf', q.now, 'BYSCORE'",
        "'-inf', '+inf', 'BYSCORE'",
        (_with(test_promote.test_a_job_is_not_promoted_before_its_time, "scheduled"),),
    ),
    Mutant(
        "promotion knows no limit",
        "lib/due",
        "'LIMIT', 0, limit, 'WITHSCORES')",
        "'LIMIT', 0, 1000, 'WITHSCORES')",
        (test_promote.test_a_call_promotes_at_most_its_slice_of_each_set,),
    ),
    Mutant(
        "no tombstones",
        "lib/delete",
        "if tombs then",
        "if false then",
        (test_retention.test_a_job_pruned_soon_after_its_end_leaves_a_tombstone_so_that_a_late_repeat_changes_nothing,),
    ),
    Mutant(
        "extending asks for no token",
        "extend",
        "if leases[i] and holds_token(records[i], ARGV[claims + 2 * i - 1]) then",
        "if leases[i] then",
        (test_extend.test_a_claim_that_somebody_else_holds_by_now_is_lost,),
    ),
    Mutant(
        "extending makes a job run again that was taken back",
        "extend",
        "if leases[i] and holds_token(records[i], ARGV[claims + 2 * i - 1]) then",
        "if holds_token(records[i], ARGV[claims + 2 * i - 1]) then",
        (test_extend.test_a_job_that_was_taken_back_is_not_made_running_again,),
    ),
    Mutant(
        "an id may be enqueued again",
        "enqueue",
        "if known[i] or seen[id] or (buried and buried[i]) or (repeated and repeated[i]) then",
        "if seen[id] or (buried and buried[i]) or (repeated and repeated[i]) then",
        (test_enqueue.test_an_id_is_taken_once_whatever_the_repeat_says,),
    ),
    Mutant(
        "a late repeat makes a new job",
        "enqueue",
        "if remember_ms > 0 then repeated =",
        "if remember_ms > 1e15 then repeated =",
        (test_remember.test_a_repeat_is_recognised_long_after_the_job_and_its_tombstone_are_gone,),
    ),
    Mutant(
        "what was turned away is remembered",
        "enqueue",
        "if conflicting then",
        "if conflicting and false then",
        (test_remember.test_one_that_was_turned_away_for_its_unique_key_may_come_again,),
    ),
    Mutant(
        "scores of one call are equal",
        "lib/ready",
        "score = score + 0.001",
        "score = score + 0",
        (test_enqueue.test_jobs_of_one_call_become_ready_in_the_order_given,),
    ),
    Mutant(
        "priorities are served the wrong way round",
        "lib/claim",
        "for p = 9, 0, -1 do\n    local ready",
        "for p = 0, 9 do\n    local ready",
        (test_exchange_claim.test_higher_priorities_are_claimed_first_then_in_order_of_arrival,),
    ),
    Mutant(
        "two claims may have one token",
        "lib/claim",
        "q.token = token",
        "",
        (test_exchange_claim.test_tokens_rise_over_all_jobs_of_the_queue,),
    ),
    Mutant(
        "a new job wakes nobody",
        "enqueue",
        "if n_now > 0 or sooner then wake_one(wake) end",
        "",
        (test_wake.test_a_new_ready_job_wakes,),
    ),
    Mutant(
        "a revived job keeps its old attempts",
        "revive",
        "run.attempt, run.lost = 0, 0",
        "",
        (test_revive.test_attempts_and_lost_workers_are_counted_anew_deliveries_go_on,),
    ),
    Mutant(
        "the oldest page leaves one out",
        "lib/page",
        "from = rank + 1",
        "from = rank + 2",
        (_with(test_views.test_pages_follow_each_other_without_gap_or_repeat, False),),
    ),
]
