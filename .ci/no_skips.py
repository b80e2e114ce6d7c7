"""Fail when a test report holds a skipped test, or no test at all."""

import sys
import xml.etree.ElementTree as ElementTree

suites = ElementTree.parse(sys.argv[1]).getroot()  # noqa: S314 (written by our own pytest run)
cases = suites.findall(".//testcase")
skipped = [case for case in cases if case.find("skipped") is not None]
for case in skipped:
    reason = case.find("skipped").get("message")  # type: ignore[union-attr]
    sys.stderr.write(f"skipped: {case.get('classname')}::{case.get('name')}: {reason}\n")
if skipped or not cases:
    sys.exit(f"{len(cases)} tests, {len(skipped)} skipped")
sys.stdout.write(f"{len(cases)} tests, none skipped\n")
