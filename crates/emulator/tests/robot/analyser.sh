#!/bin/sh
# Stands in for the interpreter of an environment that has `opentrons`: what is asked of Python itself, Python does; what is
# asked of the analyser is answered with analysis.json, which the real one (8.8.2) once wrote of protocol.py, or as the
# protocol says in its comments.
here=$(dirname "$0")
[ "$1" != "-I" ] || exec python3 "$@"
for argument in "$@"; do
    case $argument in
        --json-output=*) answer=${argument#--json-output=} ;;
        --rtp-values=*) values=${argument#--rtp-values=} ;;
    esac
    protocol=$argument
done
if grep -q "^# hangs" "$protocol"; then exec sleep 600; fi
if grep -q "^# mumbles" "$protocol"; then echo "no JSON" > "$answer"; exit 0; fi
if grep -q "^# dies" "$protocol"; then echo "ModuleNotFoundError: No module named 'opentrons'" >&2; exit 1; fi
if grep -q "^# raises" "$protocol"; then exec cp "$here/raised.json" "$answer"; fi
if grep -q "^# tells its values" "$protocol"; then
    printf '{"commands": [{"commandType": "home", "params": {}}, {"commandType": "comment", "status": "succeeded", "params": {"message": %s}}], "errors": []}' "$(printf '%s' "$values" | sed 's/"/\\"/g; s/.*/"&"/')" > "$answer"
    exit 0
fi
cp "$here/analysis.json" "$answer"
