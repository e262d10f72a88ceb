#!/bin/sh
# The browser tests need Chromium. Install it where that is allowed without asking (Debian, as root); else say so.
for name in "$CHROMIUM" chromium chromium-browser google-chrome; do
    [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null && exit 0
fi
echo "No Chromium found: the browser tests will be skipped (or fail where CI=true). Install it, or set CHROMIUM to its path."
