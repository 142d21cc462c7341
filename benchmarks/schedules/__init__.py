"""A search for schedules that break the contract of a run: `python -m benchmarks.schedules [SCHEDULES] [SEED]`.

One schedule is one run of a scenario on its own event loop, with one action after the n-th callback of the loop: a
cancellation of the caller, of the run or of the output, the closing or dropping of the result, or a timeout. Time is
virtual, so nothing waits. A loop without anything to do while a task still waits is a hang. `contract` defines what
counts as a violation.
"""
