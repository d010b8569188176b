#!/usr/bin/env bash
# Puts the sample into a folder: its config, and the source that it reads. What is there already is kept,
# so that what you did to it survives a restart.
#
#   examples/sample/prepare.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
folder=${1:?"usage: $0 FOLDER"}

"$here/../../script/setup" sample
mkdir -p "$folder"
cp -n "$here/syncflow.yaml" "$folder/"
if [ ! -e "$folder/facts.db" ]; then
  # Under another name until it is whole: an interrupted start leaves nothing half made.
  rm -f "$folder/facts.db.new"
  sqlite3 "$folder/facts.db.new" <"$here/source.sql"
  mv "$folder/facts.db.new" "$folder/facts.db"
fi
