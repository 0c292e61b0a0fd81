"""A double of Pogocache for machines without the real one: RESP2, strings only, in a process of its own.

    python -m tests.support.pogocache_double -p 9401 --maxmemory unlimited --persist /tmp/x/data

It takes the real server's options and gives its replies and error texts byte for byte (`tests/pogocache/test_double.py`
compares the two over random histories wherever the real one is present). What was measured on the real one is so here:

- `--maxmemory`: looked at once a second; from then on each new key evicts one of its shard, the older of two.
  `--evict no` changes nothing; only `--maxmemory unlimited` does.
- `--persist`: read before the first connection is served. Written by SAVE, SIGTERM and SIGINT, shard by shard while
  others go on writing: no point in time. What is loaded may have holes with later keys above them. No fsync.
- CAS counters start anew after a load. EXAT and PXAT are compared with the boot clock.
- One password, `AUTH password`; no users. No HELLO, CLIENT, INFO, TIME, MULTI, EVAL.

Not here: HTTP, Memcache, Postgres, MONITOR, quotes in inline commands. Lost and late replies are the business of
`tests/support/proxy.py`, which stands before the real server as well.
"""
