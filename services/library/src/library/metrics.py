"""What is counted of a library, besides what every service counts."""

from prometheus_client import Counter, Histogram

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

imports = Counter(
    "matinee_library_imports_total", "Files that were read: applied, planned, stopped or failed", ["format", "outcome"]
)
import_seconds = Histogram(
    "matinee_library_import_seconds", "From the begin of reading a file to its end", ["format"], buckets=SECONDS
)
import_entries = Counter(
    "matinee_library_import_entries_total",
    "Entries of files that were applied: added, changed or skipped",
    ["format", "outcome"],
)
fetches = Counter(
    "matinee_library_manifest_fetches_total", "Addons asked for their manifest: fetched, or why not", ["outcome"]
)
