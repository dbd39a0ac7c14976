"""Everything that is kept about the asker, part by part. All parts together, one record a line, are one file, which
`POST /v1/import/matinee` takes in again.

Each record is an object whose `record` says what it is. Times are ISO 8601 in UTC; a field that has no value is null or
left out. An importer passes over records and fields that it does not know. They come in this order:

    {"record": "matinee", "version": 1}
        Always the first line.
    {"record": "profile", "display_name", "avatar", "claimed_name", "claimed_picture", "email", "created_at"}
        Told to its owner only: whoever takes a file in keeps the profile that their own sign-in says.
    {"record": "preference", "key", "value"}
        `value` is any JSON.
    {"record": "ids", "works": [shown_as, …]}
        Ids that were joined to one work; the first is the one that it is shown under, and that other records name.
    {"record": "title", "work", "in_watchlist", "status", "reaction", "favourite", "hidden", "progress", "details",
     "updated_at"}
        What its owner decided about a title, or what follows from what was watched; one for every title that was ever
        touched. `status`, `reaction` and `progress` may be null, `details` is a `Details` or null.
    {"record": "item", "work", "episode": null | {"season", "episode"}, "position", "duration", "watched",
     "watched_at", "completed_at", "watched_seconds", "device", "session", "updated_at"}
        How far one film or episode is: `position` and `updated_at` are where to resume.
    {"record": "play", "play", "work", "episode", "watched_at", "rule", "source", "device", "watched_seconds"}
        An entry of the history; `watched_at` null if nobody knows. `play` is its id: the same twice is one play.
    {"record": "reason", "work", "episode", "what", "rule", "device", "source", "play", "at", "known_at", "counts"}
        What speaks for or against a film or an episode being watched, as `library.why` tells it. For reading only.
    {"record": "list", "list_id", "name", "order", "created_at", "updated_at"}
    {"record": "list-item", "list_id", "work", "kind", "title", "poster", "order", "added_at"}
        Follow their list's record, in their order.
    {"record": "addon", "transport_url", "manifest": {…}, "flags": {"official", "protected"}, "order", "installed_at",
     "updated_at"}
        In their order. The URL is as it was given, credentials and all.
    {"record": "import", "import_id", "format", "file_name", "state", "at", "updated_at", "counts"}
        What was taken in here. For reading only.

`GET /v1/export` may add records of other services behind them, whose names begin with `party-`.
"""
