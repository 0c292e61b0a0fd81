"""All questions: ``python -m benchmarks.run [--server valkey] [--only drain,idle] [--peers saq,bullmq] [--quick]``."""

from benchmarks import drain, enqueue_bulk, enqueue_one, idle, lateness, memory, pickup, startup
from benchmarks.bench.cli import main

QUESTIONS = [module.QUESTION for module in (enqueue_one, enqueue_bulk, drain, pickup, lateness, memory, idle, startup)]

if __name__ == "__main__":
    main(QUESTIONS)
