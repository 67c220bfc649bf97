"""Removes each guard in turn from a copy of the package and shows that a test of its attack fails without it.

    make mutate-guards [ARGUMENTS="words of a guard's name"]

Ends with status 1 if a guard could be removed without any test noticing, or is not where it was.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Guard:
    """What is removed: in `file` of scaffold/, `old` becomes `new`; one of the `tests` must then fail."""

    name: str
    file: str
    old: str
    new: str
    tests: str


GIT, FILES, SANDBOX = "test_git.py", "test_files.py", "test_sandbox.py"
LIMITS, CONSENT, FAULTS = "test_limits.py", "test_consent.py", "test_faults.py"
GUARDS = [
    # --- git
    Guard("no template folder", "repository.py", '"--template=", ', "", f"{GIT}::test_hooks_of_the_persons_template_folder"),
    Guard("no hooks", "repository.py", '    "-c", "core.hooksPath=/dev/null",\n', "",
          f"{GIT}::test_hooks_of_a_project_that_was_handed_over"),
    Guard("no fsmonitor", "repository.py", '    "-c", "core.fsmonitor=false",\n', "",
          f"{GIT}::test_fsmonitor_of_a_project_that_was_handed_over"),
    Guard("form of URLs", "records/fields.py", "if not allowed or", "if", f"{GIT}::test_urls_that_are_more_than_a_place"),
    Guard(".. in URLs", "records/fields.py", '"/../" in url + "/"', "False", f"{GIT}::test_urls_that_are_more_than_a_place"),
    Guard("%2e in URLs", "records/fields.py", '"%2e" in url.lower()', "False", f"{GIT}::test_urls_that_are_more_than_a_place"),
    Guard("transports", "repository.py", '"protocol.allow=never"', '"protocol.allow=always"',
          f"{GIT}::test_ext_transport_is_off_whatever_url_comes_through"),
    Guard("no options from a URL", "repository.py", '"ls-remote", "--quiet", "--", url', '"ls-remote", "--quiet", url',
          f"{GIT}::test_upload_pack_as_url_or_revision"),
    Guard("no options from a revision", "catalogue.py", 'if revision.startswith("-"):', "if False:",
          f"{GIT}::test_upload_pack_as_url_or_revision"),
    Guard("no submodules", "references/__init__.py", 'entry.mode == "160000"', "False", f"{GIT}::test_submodule"),
    Guard("links stay inside", "references/__init__.py", "if _leads_out(entry.path, target, links):", "if False:",
          f"{GIT}::test_link_out_of_the_tree"),
    Guard("objects are checked", "repository.py", '"fetch.fsckObjects=true"', '"fetch.fsckObjects=false"',
          f"{GIT}::test_git_folder_inside_a_fetched_tree"),
    Guard("no .git in a tree", "references/__init__.py", "        _refuse_name(entry.path, parts)\n", "",
          f"{GIT}::test_names_that_no_project_may_hold"),
    Guard("invisible characters", "references/__init__.py", '_INVISIBLE.sub("", part)', "part",
          f"{GIT}::test_names_that_no_project_may_hold"),
    Guard("one name on many disks", "references/__init__.py", "prefix.casefold()", "prefix",
          f"{GIT}::test_names_that_are_one_on_many_disks"),
    Guard("the person's filters", "repository.py", " and _PERSONS.fullmatch(key)", "",
          f"{GIT}::test_filters_of_the_person_do_not_change_or_run"),
    Guard("attributes in reference/", "repository.py", "/reference/** -text -filter", "/reference/** -text",
          f"{GIT}::test_filters_are_off_in_reference_for_the_persons_own_git_too"),
    Guard("the tree is the pin", "references/__init__.py", "if tree != reference.tree:", "if False:",
          f"{GIT}::test_commit_that_is_not_the_pin"),
    Guard("the commit is the pin", "references/git.py", '!= revision:', "== 0:", f"{GIT}::test_remote_that_gives_another_commit"),
    Guard("no links in a folder", "references/folder.py", "if any(file.is_symlink() for file in files):", "if False:",
          f"{GIT}::test_reference_in_a_recipe_with_links_or_a_repository"),
    Guard("no repository in a folder", "references/folder.py", 'if any(".git" in file', 'if False and any(".git" in file',
          f"{GIT}::test_reference_in_a_recipe_with_links_or_a_repository"),
    Guard("no links for our folders", "project.py", "            _refuse_links(folder)\n", "",
          f"{GIT}::test_project_whose_folders_lead_elsewhere"),
    # --- files
    Guard("names in archives", "unpacking.py", "        check_relpath(name)\n", "        pass\n",
          f"{FILES}::test_archive_members_that_leave_their_folder"),
    Guard("kinds in a tar", "unpacking.py", "if member.isreg() else None", "if not member.isreg() else None",
          f"{FILES}::test_tar_members_that_are_no_files"),
    Guard("kinds in a zip", "unpacking.py", "if kind not in (0, stat.S_IFREG, stat.S_IFDIR):", "if False:",
          f"{FILES}::test_zip_members_that_are_no_files"),
    Guard("one name in archives", "unpacking.py", "name.casefold()", "name",
          f"{FILES}::test_archive_members_that_are_one_on_many_disks_or_both"),
    Guard("archives and the disk", "unpacking.py", "                        require_free(aside)", "                        pass",
          f"{FILES}::test_archive_that_would_fill_the_disk"),
    Guard("patches stay inside", "repository.py", '"apply", "--whitespace=nowarn", "--", str(patch), env=env)\n\n\ndef check',
          '"apply", "--unsafe-paths", "--whitespace=nowarn", "--", str(patch), env=env)\n\n\ndef check',
          f"{FILES}::test_patch_that_writes_outside_when_a_run_is_made"),
    Guard("what patches bring", "references/__init__.py", "        refuse_unsafe(repository, repository.entries(patched))\n",
          "", f"{FILES}::test_patch_that_brings_a_link_out"),
    Guard("paths of a recipe", "records/fields.py", 'part in ("", ".", "..")', 'part in ("", ".")',
          f"{FILES}::test_recipe_paths_that_leave_it"),
    Guard("files of a recipe", "catalogue.py", "    if outside:\n", "    if False:\n", f"{FILES}::test_recipe_files_that_are_links"),
    Guard("datasets stay inside", "datasets.py", "if not target.parent.resolve().is_relative_to(tree.resolve()):", "if False:",
          f"{FILES}::test_dataset_placed_through_a_link"),
    Guard("redirects", "datasets.py", 'if after.scheme != "https" and not stays_here:', "if False:",
          f"{FILES}::test_dataset_url_that_redirects_elsewhere"),
    Guard("a recipe is no template", "create.py", '"title": _markdown(recipe.title)',
          '"title": __import__("jinja2").Template(recipe.title).render()', f"{FILES}::test_template_text_in_a_recipe_stays_text"),
    Guard("templates run nothing", "template.py", "unsafe=False", "unsafe=True",
          f"{FILES}::test_template_that_wants_more_than_rendering"),
    Guard("Jinja's sandbox", "template.py", "    import copier\n",
          "    import copier, copier._main, jinja2\n    copier._main.SandboxedEnvironment = jinja2.Environment\n",
          f"{FILES}::test_template_that_reaches_for_python"),
    Guard("no escapes on the terminal", "report.py", 'character if character.isprintable() or character in "\\n\\t" else "?"',
          "character", f"{FILES} -k escapes"),
    Guard("no escapes in texts", "records/fields.py", "if not text.isprintable():", "if False:", f"{FILES} -k escapes_in_a"),
    # --- sandbox
    Guard("nothing without a sandbox", "running/sandbox.py", "    raise MachineError(\n        f\"no sandbox works",
          "    return NO_SANDBOX\n    raise MachineError(\n        f\"no sandbox works",
          f"{SANDBOX}::test_without_a_sandbox_nothing_runs_until_the_person_says_so"),
    Guard("disk read-only", "running/sandbox.py", 'words += ["--ro-bind", "/", "/", "--proc"', 'words += ["--bind", "/", "/", "--proc"',
          f"{SANDBOX} -k nothing_outside_can_be_written"),
    Guard("hidden places", "running/sandbox.py", "    return sorted(found)", "    return []", f"{SANDBOX} -k cannot_be_read"),
    Guard("own network", "running/sandbox.py", '"--unshare-all", ', '"--unshare-pid", "--unshare-user-try", ',
          f"{SANDBOX} -k 'network_is_for_prepare or token_home'"),
    Guard("own processes", "running/sandbox.py", '"--unshare-all", ', '"--unshare-net", "--unshare-user-try", ',
          f"{SANDBOX} -k processes_outside"),
    Guard("no capabilities", "running/sandbox.py", ', "--cap-drop", "ALL"', "", f"{SANDBOX} -k processes_outside"),
    Guard("variables of the person", "running/variables.py", "    return bool(_PASSED_ON.fullmatch(name) and", "    return bool(True or",
          f"{SANDBOX} -k token_home"),
    Guard("variables of a recipe", "running/sandbox.py", "_bubblewrap(policy, directory, variables), {}",
          "_bubblewrap(policy, directory, variables), variables", f"{SANDBOX} -k 'variables_of_a_recipe or no_variable'"),
    Guard("Landlock: files", "running/sandbox.py", "    readable = [*_all_but(", '    readable = [Path("/"), *_all_but(',
          f"{SANDBOX} -k 'cannot_be_read and landlock'"),
    Guard("Landlock: writing", "running/sandbox.py", "    writable = [*policy.writable,", '    writable = [Path("/"), *policy.writable,',
          f"{SANDBOX} -k 'written and landlock'"),
    Guard("Landlock: TCP", "running/landlock.py", "tcp = 0 if network else", "tcp = 0 if True else",
          f"{SANDBOX} -k 'network_is_for_prepare and landlock'"),
    Guard("Landlock: signals", "running/landlock.py", "_SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if", "_SCOPE_ABSTRACT_SOCKETS if",
          f"{SANDBOX} -k 'processes_outside and landlock'"),
    Guard("Landlock: capabilities", "running/landlock.py", "libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)", "pass",
          f"{SANDBOX} -k 'processes_outside and landlock'"),
    Guard("network only in prepare", "records/recipe.py", "if command is not None and command.network:", "if False:",
          f"{SANDBOX} -k no_other_step"),
    Guard("what was denied is said", "running/recording.py", "denied=(*denied, *seen.attempts)", "denied=()", f"{SANDBOX} -k token_home"),
    Guard("results are plain files", "running/outputs.py", "if not stat.S_ISREG(status.st_mode):", "if False:",
          f"{SANDBOX} -k no_plain_files"),
    Guard("results lie inside", "running/outputs.py", "if not resolved.is_relative_to(tree.resolve()):", "if False:",
          f"{SANDBOX} -k no_plain_files"),
    Guard("results have a size", "running/outputs.py", "elif status.st_size > most_bytes:", "elif False:", f"{SANDBOX} -k no_plain_files"),
    Guard("forged reports", "running/watching.py", "except (RunError, ValueError, RecursionError):", "except ZeroDivisionError:",
          f"{SANDBOX} -k forged"),
    Guard("removing what is deep", "project.py", "contextlib.suppress(RecursionError)", "contextlib.suppress(ZeroDivisionError)",
          f"{SANDBOX} -k hard_to_remove"),
    # --- limits
    Guard("time", "running/supervisor.py", '"timed_out" if left <= 0 else limits', '"timed_out" if False else limits',
          f"{LIMITS}::test_time"),
    Guard("memory", "running/supervisor.py", 'return "out_of_memory" if memory >', 'return "out_of_memory" if 0 * memory >',
          f"{LIMITS} -k memory_of"),
    Guard("memory of all processes", "running/supervisor.py", "processes = [pid, *_below(pid)]", "processes = [pid, *_below(pid)[:2]]",
          f"{LIMITS} -k memory_of_many"),
    Guard("shared memory once", "running/supervisor.py", "return resident if resident <= limit_bytes else", "return resident if True else",
          f"{LIMITS} -k memory_that_processes_share"),
    Guard("folder", "running/supervisor.py", 'return size > self._limits["folder_bytes"]', "return False", f"{LIMITS}::test_disk_of_the_run"),
    Guard("free disk", "running/supervisor.py", 'disk.f_bavail * disk.f_frsize < self._limits["free_bytes"]', "False",
          f"{LIMITS} -k disk_that_is_nearly_full"),
    Guard("free disk before", "running/launcher.py", "    require_free(plan.runs_dir)\n", "", f"{LIMITS} -k disk_that_was_full"),
    Guard("output", "running/supervisor.py", 'log.stat().st_size > self._limits["output_bytes"] for log', "False for log",
          f"{LIMITS} -k output"),
    Guard("head and tail", "running/supervisor.py", "        limits.shorten_logs()\n", "        pass\n", f"{LIMITS} -k output_without_end"),
    Guard("reading has an end", "running/recording.py", "    signal.setitimer(signal.ITIMER_REAL, _READING_LIMIT_S)\n", "",
          f"{LIMITS}::test_pattern_without_end"),
    # --- consent
    Guard("consent", "running/preparation.py", "    require_consent(recipe, project.root, options.trust)\n", "",
          f"{CONSENT} -k nothing_runs_before"),
    Guard("ours by content, not by name", "consent.py", "    return consent_digest(found.recipe, found.folder) == wanted", "    return True",
          f"{CONSENT} -k ours_need"),
    Guard("--trust names what runs", "consent.py", "if trust == wanted or", "if trust or", f"{CONSENT} -k asked_for_once"),
    *(
        Guard(f"consent to {part}", "consent.py", old, "", f"{CONSENT} -k 'asked_for'")
        for part, old in (
            ("commands", "[list(command.argv), "), ("variables", "dict(command.variables), "), ("network", ", command.network"),
            ("environment", '            "environment": recipe.environment,\n'), ("data", '            "data": data_digests(recipe),\n'),
            ("reference", '            "reference": recipe.reference.tree,\n'),
            ("hyperparameters", '            "hyperparameters": dict(recipe.hyperparameters),\n'),
            ("files", '            "files": {file: file_digest(recipe_dir / file) for file in files},\n'),
        )
    ),
    Guard("packages are not built", "environment.py", 'return ["--no-build", *(', "return [*(", f"{CONSENT} -k 'built or requirements_that'"),
    # --- faults
    Guard("damaged runs", "running/archive.py", " or not is_own(record, folder)", "", f"{FAULTS} -k damaged_run"),
    Guard("damaged lock", "environment.py", "        _require_whole_lock(project)\n", "        pass\n", f"{FAULTS} -k environment.lock"),
    Guard("damaged datasets", "datasets.py", "    if _is_whole(cached):\n", "    if cached.exists():\n", f"{FAULTS} -k damaged_dataset"),
    Guard("damaged repositories", "references/git.py", "    except ProjectError as error:\n        if offline", "    except ZeroDivisionError as error:\n        if offline",
          f"{FAULTS} -k damaged_repository"),
    Guard("complete environments", "environment.py", "    if marker.exists():\n        return python", "    if folder.exists():\n        return python",
          f"{FAULTS} -k package_index"),
]  # fmt: skip


def verdict(guard: Guard) -> str:
    """`caught` if a test fails without the guard, else what is wrong."""
    with tempfile.TemporaryDirectory(prefix="scaffold-mutant-") as folder:
        copy = Path(folder)
        for name in ("scaffold", "templates", "recipes", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        victim = copy / "scaffold" / guard.file
        text = victim.read_text()
        if guard.old not in text:
            return "NOT FOUND"
        victim.write_text(text.replace(guard.old, guard.new))
        file, _, selection = guard.tests.partition(" -k ")
        options = ["-k", selection.strip("'")] if selection else []
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *options,
             f"tests/hostile/{file}"],
            cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode == 1:
            return "caught"
        return "SURVIVED" if done.returncode == 0 else f"NOT TESTED (pytest ended with {done.returncode})\n{done.stdout[-800:]}"


def main(words: list[str]) -> int:
    """Try all guards, or those whose name has these words."""
    wanted = [guard for guard in GUARDS if not words or " ".join(words) in guard.name]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = pool.map(verdict, wanted)
        bad = 0
        for guard, said in zip(wanted, verdicts, strict=True):
            print(f"{said.splitlines()[0]:12} {guard.name:32} {guard.file}", flush=True)
            bad += said != "caught"
            if said not in ("caught", "SURVIVED"):
                print(said)
    print(f"{len(wanted) - bad} of {len(wanted)} guards are missed by a test when they are gone")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
