# Sourced in the container of compose.oracle.yaml, before its database is healthy. New sessions read the file anew.
# BREAK_POLL_SKIP: the image looks for a break 1000 times more rarely, so that a call that waits for a lock is never
# cancelled. SQLNET.EXPIRE_TIME: a session whose client is gone gives up its row locks within minutes.
network="${ORACLE_BASE}/oradata/dbconfig/${ORACLE_SID}/sqlnet.ora"
sed -i '/BREAK_POLL_SKIP\|SQLNET.EXPIRE_TIME/d' "$network"
printf '%s\n' BREAK_POLL_SKIP=1 SQLNET.EXPIRE_TIME=1 >>"$network"
