#!/usr/bin/env bash
# A nexq worker in plain shell: curl speaks to the API, python3 takes the JSON apart. Usage: shell_worker.sh [JOBS]
# NEXQ_API, NEXQ_TOKEN (optional), NEXQ_QUEUE, NEXQ_WAIT: where it works. The protocol: docs/protocol.md.
set -euo pipefail
api=${NEXQ_API:-http://127.0.0.1:8080} queue=${NEXQ_QUEUE:-default} wait=${NEXQ_WAIT:-30} lease=30 left=${1:--1}

post() { # post PATH: sends the JSON on stdin, prints the answer; fails on a status other than 2xx
  curl -sS --fail-with-body --max-time $((wait + 15)) -H 'Content-Type: application/json' \
    ${NEXQ_TOKEN:+-H "Authorization: Bearer $NEXQ_TOKEN"} --data-binary @- "$api$1"
}
py() { python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"; } # py EXPRESSION, of d: the JSON on stdin

handle() { # handle TYPE: the work. Payload on stdin, result on stdout, both JSON; an exit code other than 0: it failed
  case $1 in
    shout) py 'json.dumps(d.upper())' ;;
    break) echo "it broke" >&2; return 1 ;;
  esac
}

work() { # work JOB: runs one claimed job, renews its lease meanwhile, and hands in what came of it
  local id token result errors beat
  id=$(py 'd["id"]' <<<"$1") token=$(py 'd["token"]' <<<"$1") errors=$(mktemp)
  (while sleep $((lease / 3)); do post "/api/jobs/$id/extend" <<<"{\"token\": $token}" || break; done) &>/dev/null &
  beat=$!
  if result=$(py 'json.dumps(d["payload"])' <<<"$1" | handle "$(py 'd["type"]' <<<"$1")" 2>"$errors"); then
    post "/api/jobs/$id/complete?queue=$queue" <<<"{\"token\": $token, \"result\": ${result:-null}}" || true
  else
    why=$(python3 -c 'import json, sys; print(json.dumps(sys.stdin.read()))' <"$errors")
    post "/api/jobs/$id/fail?queue=$queue" <<<"{\"token\": $token, \"error\": $why, \"retry_in\": 10}" || true
  fi
  kill "$beat"; rm -f "$errors"; echo
}

claim="{\"queue\": \"$queue\", \"worker\": \"shell-$$\", \"handlers\": [\"shout\", \"break\"], \"wait\": $wait, \"lease\": $lease}"
while [ "$left" -ne 0 ]; do
  answer=$(post /api/claim <<<"$claim") || { sleep 1; continue; }
  [ "$(py 'len(d["jobs"])' <<<"$answer")" -gt 0 ] || continue
  work "$(py 'json.dumps(d["jobs"][0])' <<<"$answer")"
  left=$((left - 1))
done
