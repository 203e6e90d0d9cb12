"""Commands that cannot be run."""

from __future__ import annotations

import numpy as np

from tests.bad_input.making import COSINE, GOOD, LENGTH, NUMBERS, TALK, Case, lines, listed, npy, parquet, with_column, with_row

# --- usage: beside the files of a case stand these

STAGE: dict[str, bytes | None] = {
    "pool.jsonl": lines(*GOOD),
    "chat.jsonl": lines(
        *({"messages": [{"role": "user", "content": f"Hi {at}"}, TALK[1]], "meta": {"at": at}} for at in range(12))
    ),
    "texts.jsonl": lines({"text": "Rivers flow."}, {"text": "Hills stand."}),
    "three.npy": npy(NUMBERS[:3]),
    "twelve.npy": npy(NUMBERS),
    "folder": None,
    "folder/notes.md": b"nothing here",
    "out.d": None,
}


def usage(command: str, message: str, **files: bytes | None) -> Case:
    """A command; a file's name is given without its ending, which is .jsonl."""
    return Case(command, {**STAGE, **{f"{name}.jsonl": content for name, content in files.items()}}, command, message)


def pick(more: str, message: str, **files: bytes | None) -> Case:
    return usage(f"select pool.jsonl --size 3 {more}", message, **files)


BAD_ROW = lines(*GOOD, {"instruction": "a"})

COMMANDS = [
    usage("mesure pool.jsonl", "No such command 'mesure'"),
    usage("measure", r"Missing argument 'DATA\.\.\.'"),
    usage("measure pool.jsonl --metric novelsum", "No such option:? '?--metric'?"),
    usage("select", "Missing argument 'POOL'"),
    usage("select pool.jsonl chat.jsonl --size 3 -o out.jsonl", r"unexpected extra argument \(chat\.jsonl\)"),
    usage("embed", "Missing argument 'POOL'"),
    usage("tokenize pool.jsonl --side sideways", "'sideways' is not one of 'instruction'"),
    usage("list metric", "'metric' is not one of"),
    usage("list --quiet", "No such option:? '?--quiet'?"),
    # names
    usage("measure pool.jsonl --metrics novelsumm", "Unknown metric 'novelsumm'. Did you mean novelsum"),
    usage("measure pool.jsonl --metrics novelsum,", "Unknown metric ''"),
    usage("measure pool.jsonl --metrics ''", "Unknown metric ''"),
    usage("select pool.jsonl --size 3 -o out.jsonl --strategy k_centre", "Unknown strategy 'k_centre'. Did you mean k_center"),
    usage(f"measure pool.jsonl {COSINE} --embedder magic:x", "Unknown embedder 'magic:x'"),
    usage(f"measure pool.jsonl {COSINE} --embedder ''", "Unknown embedder ''"),
    usage(f"measure pool.jsonl {COSINE} --embedder openai:", "embedder openai:.* lacks the model's name"),
    usage(f"measure pool.jsonl {COSINE} --embedder no/such/model", "no/such/model: no model could be loaded"),
    usage(
        f"measure pool.jsonl {LENGTH} --tokenizer no/such/tokenizer.json",
        r"no/such/tokenizer\.json: no tokenizer could be loaded",
    ),
    usage(f"measure pool.jsonl {LENGTH} --tokenizer folder", r"folder: this folder holds no tokenizer\.json"),
    usage("tokenize pool.jsonl --tokenizer chat.jsonl", r"chat\.jsonl: no tokenizer could be loaded"),
    usage("measure pool.jsonl --side left", "'left' is not one of"),
    usage("select pool.jsonl --size 3 -o out.jsonl --side all", "'all' is not one of"),
    usage(f"measure pool.jsonl {LENGTH} --schema alpacca", "Unknown schema 'alpacca'. Did you mean alpaca"),
    usage(f"measure pool.jsonl {LENGTH} --schema ''", "Unknown schema ''"),
    usage(
        f"measure pool.jsonl {LENGTH} --schema sharegpt",
        r"pool\.jsonl, line 1: lacks the field 'conversations' \(schema sharegpt, as asked\)",
    ),
    usage(f"measure pool.jsonl {LENGTH} --on-bad-row ignore", "'ignore' is not one of"),
    # --columns
    usage(f"measure pool.jsonl {LENGTH} --schema text --columns response=response", "--schema and --columns exclude each other"),
    usage(f"measure pool.jsonl {LENGTH} --columns response", "--columns takes PART=FIELD.*Got 'response'"),
    usage(f"measure pool.jsonl {LENGTH} --columns ''", "--columns takes PART=FIELD"),
    usage(f"measure pool.jsonl {LENGTH} --columns response=response,", "--columns takes PART=FIELD"),
    usage(f"measure pool.jsonl {LENGTH} --columns =response", "--columns takes PART=FIELD"),
    usage(f"measure pool.jsonl {LENGTH} --columns answer=response", "Unknown part in --columns 'answer'"),
    usage(f"measure pool.jsonl {LENGTH} --columns input=response", "--columns must name at least"),
    usage(f"measure pool.jsonl {LENGTH} --columns messages=response,response=response", "Unknown part in --columns 'response'"),
    usage(f"measure pool.jsonl {LENGTH} --columns response=instruction,response=response", "--columns .*response"),
    usage(
        f"measure pool.jsonl {LENGTH} --columns instruction=question,response=response",
        r"pool\.jsonl, line 1: lacks the field 'question'",
    ),
    usage(f"measure chat.jsonl {LENGTH} --columns messages=turns", r"chat\.jsonl, line 1: lacks the field 'turns'"),
    usage(
        f"measure chat.jsonl {LENGTH} --columns messages=messages,role=speaker",
        r"chat\.jsonl, line 1: lacks the field 'messages\[0\]\.speaker'",
    ),
    usage(
        f"measure chat.jsonl {LENGTH} --columns messages=messages,user=USER",
        r"chat\.jsonl, line 1: field 'messages\[0\]\.role' holds the role 'user'",
    ),
    usage(f"measure pool.jsonl {LENGTH} --side both --columns instruction=instruction", r"pool\.jsonl: has no both side"),
    usage(f"measure pool.jsonl {LENGTH} --columns response=response --side instruction", r"pool\.jsonl: has no instruction side"),
    usage(f"measure texts.jsonl {LENGTH} --side instruction", r"texts\.jsonl: has no instruction side \(schema text\)"),
    usage(f"measure texts.jsonl {LENGTH} --side all", r"texts\.jsonl: has no instruction side"),
    usage(
        "select texts.jsonl --size 1 --strategy k_center --side instruction -o out.jsonl",
        r"texts\.jsonl: has no instruction side",
    ),
    usage(
        "measure pool.jsonl --reference texts.jsonl --metrics novelsum --side instruction",
        r"texts\.jsonl: has no instruction side",
    ),
    usage(
        f"measure rows.jsonl {LENGTH} --side instruction --columns instruction=q", r"rows\.jsonl, line 2: has an empty prompt",
        rows=lines({"q": "a"}, {"q": " "}),
    ),
    usage(
        f"measure rows.jsonl {LENGTH} --side instruction --columns instruction=q",
        r"rows\.jsonl, line 1: field 'q' must be a string but is a number", rows=lines({"q": ["a", 3]}),
    )._replace(name="a list of prompts with a number in it"),
    usage(
        f"measure rows.jsonl {COSINE} --side instruction", r"rows\.jsonl, instruction side: the vectors of row 2 are zero",
        rows=lines({"messages": TALK}, {"messages": TALK[1:]}),
    ),
    # vectors from elsewhere
    usage(f"measure pool.jsonl {COSINE} --embedder gone.npy", r"gone\.npy: no such file"),
    usage(f"measure pool.jsonl {COSINE} --embedder three.npy", r"three\.npy: holds 3 vectors, but pool\.jsonl has 12 rows"),
    usage(
        "select pool.jsonl --size 3 -o out.jsonl --embedder three.npy",
        r"three\.npy: holds 3 vectors, but pool\.jsonl has 12 rows",
    ),
    usage(
        f"measure pool.jsonl {COSINE} --embedder v.npy", r"(v\.npy|pool\.jsonl).* row 3 ",
    )._replace(files={**STAGE, "v.npy": npy(with_row(2, np.nan))}),
    usage("measure pool.jsonl --reference twelve.npy --metrics novelsum", r"(?=.*twelve\.npy)(?=.*\b256\b)(?=.*\b3\b)"),
    usage(
        f"measure pool.jsonl {COSINE} --embedder column:vec",
        r"pool\.jsonl, line 1: lacks the field 'vec'. It has: instruction, response",
    ),
    usage(f"measure pool.jsonl {COSINE} --embedder column:response", r"pool\.jsonl.*(column|'response')"),
    *(
        usage(
            f"measure rows.jsonl {COSINE} --embedder column:v", rf"rows\.jsonl.*{place}", rows=with_column(4, value),
        )._replace(name=f"a column of vectors with {name}")
        for name, value, place in (
            ("one of another length", [1.0, 2.0], "(line|row) 5.*'v'"),
            ("a null", None, "(line|row) 5.*'v'"),
            ("text", "north", "(line|row) 5.*'v'"),
            ("an object", {"x": 1.0}, "(line|row) 5.*'v'"),
            ("a NaN", [1.0, float("nan"), 1.0], "row 5 hold values that are not finite"),
            ("a number beyond float32", [1.0, 1e300, 1.0], "(line|row) 5"),
            ("a number beyond float64", [1.0, 10**400, 1.0], "(line|row) 5"),
            ("zeros", [0.0, 0.0, 0.0], "row 5 are zero"),
            ("JSON that is too deep", "[" * 100_000, "(line|row) 5"),
        )
    ),
    # numbers
    *(usage(f"select pool.jsonl --size {size} -o out.jsonl", message) for size, message in (
        ("0", r"int in \[1, 12\], the rows of pool\.jsonl. Got 0"), ("-4", "Got -4 instead"), ("13", "Got 13 instead"),
        ("ten", "'ten' is not a valid integer"), ("3.5", "'3.5' is not a valid integer"), ("''", "'' is not a valid integer"),
    )),
    usage("select pool.jsonl -o out.jsonl", "takes either a size"),
    usage("select three.npy --size 4 -o out.json", r"int in \[1, 3\], the rows of three\.npy"),
    usage("select pool.jsonl --size 3 -o out.jsonl --seed x", "'x' is not a valid integer"),
    usage("select pool.jsonl --size 3 -o out.jsonl --seed -1", "seed.*-1"),
    usage(f"measure pool.jsonl {LENGTH} --size-matched 0", "0 is not in the range"),
    usage(f"measure pool.jsonl {LENGTH} --size-matched many", "'many' is not a valid integer"),
    usage(f"measure pool.jsonl {LENGTH} --size-matched 13", r"pool\.jsonl: has 12 rows, fewer than the 13 asked for"),
    usage(f"measure pool.jsonl texts.jsonl {LENGTH} --size-matched 5", r"texts\.jsonl: has 2 rows, fewer than the 5 asked for"),
    usage(f"measure pool.jsonl {COSINE} --size-matched 1", r"pool\.jsonl.*distsum_cosine needs at least 2 samples, got 1"),
    usage(f"measure pool.jsonl {LENGTH} --seeds 0", "0 is not in the range"),
    usage("measure pool.jsonl --metrics topic_count --topics kmeans:0", "'kmeans:K' with a whole number K"),
    usage("measure pool.jsonl --metrics topic_count --topics kmeans:many", "'kmeans:K' with a whole number K"),
    usage("measure pool.jsonl --metrics topic_count --topics kmeans:²", "'kmeans:K' with a whole number K"),
    usage(
        "measure pool.jsonl --metrics topic_count --topics kmeans:40",
        r"pool\.jsonl.*40 clusters need at least 40 samples, but there are 12",
    ),
    usage("measure pool.jsonl --metrics topic_count --topics domain", r"pool\.jsonl, line 1: lacks the field 'domain'"),
    # --set
    usage("measure pool.jsonl --set novelsum.k", "--set takes KEY=VALUE.*Got 'novelsum.k'"),
    usage("measure pool.jsonl --set =3", "--set takes KEY=VALUE"),
    usage("measure pool.jsonl --set k=3", "--set of measure takes METRIC.KEY=VALUE"),
    usage("measure pool.jsonl --set novelsum.=3", "--set of measure takes METRIC.KEY=VALUE"),
    usage("measure pool.jsonl --set novelsam.k=3", "Unknown metric .*'novelsam'. Did you mean novelsum"),
    usage(
        "measure pool.jsonl --metrics novelsum --set novelsum.alfa=3", "Unknown parameter of novelsum 'alfa'. Did you mean alpha",
    ),
    usage("measure pool.jsonl --metrics novelsum --set novelsum.reference=3", "Unknown parameter of novelsum 'reference'"),
    usage("measure pool.jsonl --metrics novelsum --set novelsum.x=3", "Unknown parameter of novelsum 'x'"),
    usage("measure pool.jsonl --metrics novelsum --reference pool.jsonl --set novelsum.beta=1000", "beta"),
    usage(f"measure pool.jsonl {LENGTH} --set novelsum.alfa=3", "Unknown parameter of novelsum 'alfa'"),
    usage(f"measure pool.jsonl {LENGTH} --set sequence_length.k=3", r"sequence_length (?!.*Known: \.)"),
    usage(f"measure pool.jsonl {LENGTH} --set novelsum.alfa=3 --per-sample n.csv", "Unknown parameter of novelsum 'alfa'"),
    *(
        usage(
            f"measure pool.jsonl --metrics {metric} --set {metric}.{option}",
            f"'{option.partition('=')[0]}' parameter of {metric} must be",
        )
        for metric, option in (
            ("novelsum", "k=0"), ("novelsum", "k=2.5"), ("novelsum", "k=true"), ("novelsum", "alpha=-1"),
            ("novelsum", "alpha=much"),
            ("novelsum", "alpha=null"), ("novelsum", "alpha=[1]"), ("novelsum", "alpha=inf"), ("novelsum", "beta="),
            ("novelsum", "density_of=both"),
            ("novelsum", "duplicates=some"), ("novelsum", "include_self=perhaps"), ("vendi_score", "q=0"),
            ("vendi_score", "q=NaN"),
            ("vendi_score", "q=big"), ("vendi_score", "q=null"),
        )
    ),
    pick("-o out.jsonl --set first", "--set takes KEY=VALUE"),
    pick("-o out.jsonl --set frist=0", "Unknown parameter of novelselect(_rich)? 'frist'. Did you mean first"),
    pick("-o out.jsonl --set seed=3", "--seed"),
    pick("-o out.jsonl --set data=3", r"^(?!.*--data\b).*data"),
    pick("-o out.jsonl --strategy random --set first=0", "random must be left out, since it has no parameters"),
    pick("-o out.jsonl --strategy k_center --set alpha=1", "Unknown parameter of k_center 'alpha'"),
    pick("-o out.jsonl --strategy k_center --set metric=foo", "'metric' parameter of k_center must be 'euclidean' or 'cosine'"),
    pick("-o out.jsonl --strategy k_center --set first=most_novel", "'first' parameter of k_center must be"),
    pick("-o out.jsonl --strategy random --reference chat.jsonl", "'reference' parameter of random must be left out"),
    pick("-o out.jsonl --set k=100", r"pool\.jsonl.*needs more than k = 100 distinct reference rows"),
    *(
        pick(f"-o out.jsonl --set {option}", f"'{option.partition('=')[0]}' parameter of novelselect(_rich)? must be")
        for option in (
            "first=12", "first=-1", "first=1.5", "first=true", "first=last", "k=0", "k=ten", "alpha=-1", "alpha=null",
            "alpha=[1]", "beta=NaN",
            "closeness=2", "closeness=0", "closeness=near", "closeness=null", "density_of=self", "duplicates=null", "spacing=-1",
            "spacing=wide",
            "spacing=inf", "spacing=[2]",
        )
    ),
    pick("-o out.jsonl --set beta=1000", "beta"),
    pick("-o out.jsonl --set spacing=1 --set duplicates=keep", "'spacing' parameter of novelselect must be left out"),
    # outputs
    pick("", "Missing option '-o'"),
    pick("-o out.exe", r"out\.exe: the ending '\.exe' is no known data file"),
    pick("-o out", "out: the ending '' is no known data file"),
    pick("-o out.npy", r"out\.npy: rows of text cannot be written as \.npy"),
    pick("-o out.parquet.gz", "parquet files are compressed inside"),
    pick("-o no/out.jsonl", "no: no such folder. Create it first"),
    pick("-o .", r"\.: is a folder, so no file of that name can be written"),
    # for trainers
    pick("-o out.jsonl --as message", "Unknown schema for --as 'message'. Did you mean messages"),
    pick("-o out.jsonl --as text", "Unknown schema for --as 'text'"),
    pick("-o out.jsonl --format parquet", r"--format is for a folder \(-o FOLDER/\)"),
    pick("-o out/ --format csv", "'csv' is not one of 'parquet', 'jsonl'"),
    pick("-o out.jsonl --card-metrics none", r"--card-metrics is for a folder \(-o FOLDER/\)"),
    pick("-o out/ --card-metrics vendi", "Unknown metric 'vendi'. Did you mean vendi_score"),
    pick("-o out/ --card-metrics none,novelsum", "Unknown metric 'none'"),
    pick("-o out/ --dataset-info info.json", r"--dataset-info is for a single file: the folder out/ has a dataset_info\.json"),
    pick("-o no/out/", "no: no such folder. Create it first"),
    pick("-o ./", r"\.: holds files already, and nothing is overwritten"),
    pick("-o folder/", "folder: holds files already, and nothing is overwritten. Name a new folder, or remove this one"),
    pick("-o pool.jsonl/", r"pool\.jsonl: is the data that was read"),
    pick("-o chat.jsonl/", r"chat\.jsonl: is a file, and nothing is overwritten"),
    pick("-o pool.jsonl/x/", r"pool\.jsonl.*: (no such folder|cannot be the name)"),
    pick(f"-o {'a' * 300}/", "a{80}: cannot be the name of a folder")._replace(name="a folder with a name that is too long"),
    Case(
        "a folder inside the pool", {"f": None, "f/a.jsonl": lines(*GOOD)}, "select f --size 3 --strategy random -o f/out/",
        "f/out: lies in the folder that is read",
    ),
    usage("select twelve.npy --size 3 --strategy random -o out/", "A pool of vectors has no rows to write: give OUT a name in .json"),
    usage("select twelve.npy --size 3 --strategy random --as messages -o out.json", "A pool of vectors has no rows to write"),
    *(
        usage("select pool.jsonl --size 3 --strategy random -o out.jsonl --dataset-info info.json", message)._replace(
            name=f"a dataset_info.json that is {name}", files={**STAGE, "info.json": content}
        )
        for name, content, message in (
            ("a list", b"[]", r"info\.json: must be a JSON object with an object for each data set"),
            ("no objects", b'{"a": 3}', r"info\.json: must be a JSON object with an object for each data set"),
            ("no JSON", b"{", r"info\.json: is no JSON object, so no entry can be added"),
            ("empty", b"", r"info\.json: is no JSON object"),
            ("of another encoding", b'{"\xff": {}}', r"info\.json: is no JSON object"),
            ("too deep", b"[" * 100_000, r"info\.json: is no JSON object"),
            ("ambiguous", b'{"a": {}, "a": {}}', r"info\.json: is no JSON object.*the key 'a' twice"),
        )
    ),
    pick("-o out.jsonl --dataset-info no/info.json", "no: no such folder"),
    pick("-o out.jsonl --dataset-info folder", "folder: is a folder"),
    pick("-o out.jsonl --dataset-info out.jsonl --strategy random", r"out\.jsonl: two results would go into this one file"),
    pick("-o out.jsonl --dataset-info pool.jsonl --strategy random", r"pool\.jsonl: "),
    pick("-o out.jsonl.gz --dataset-info info.json", r"out\.jsonl\.gz: LLaMA-Factory opens \.json, \.jsonl"),
    pick("-o a,b.jsonl --dataset-info info.json", r"a,b\.jsonl: LLaMA-Factory names data sets in a list with commas"),
    pick("-o pool.jsonl/out.jsonl", r"pool\.jsonl: no such folder"),
    pick("-o dir.jsonl", r"dir\.jsonl: is a folder", dir=None),
    pick(f"-o {'a' * 300}.jsonl", "a{80}")._replace(name="an output with a name longer than a name can be"),
    pick(
        f"--strategy random -o {'a' * 240}.jsonl", "a{80}|cannot write here",
    )._replace(name="an output whose record would have too long a name"),
    pick("--strategy random -o pool.jsonl", r"pool\.jsonl: is the data that was read"),
    pick("--strategy random -o ./folder/../pool.jsonl", r"pool\.jsonl: is the data that was read"),
    pick("--set k=3 --reference chat.jsonl -o chat.jsonl", r"chat\.jsonl: is the data that was read"),
    Case(
        "an output that is a file of the pool's folder", {"f": None, "f/a.jsonl": lines(*GOOD), "f/b.jsonl": lines(*GOOD)},
        "select f --size 3 --strategy random -o f/b.jsonl", r"b\.jsonl: is the data that was read",
    ),
    Case(
        "an output whose record is the pool", {"s.jsonl.selection.json": listed(*GOOD)},
        "select s.jsonl.selection.json --size 3 --strategy random -o s.jsonl", r"s\.jsonl\.selection\.json",
    ),
    usage("select twelve.npy --size 3 --strategy random -o twelve.npy", r"twelve\.npy: "),
    usage("select twelve.npy --size 3 --strategy random -o picks.npy", r"picks\.npy.*\.json"),
    usage(
        "select chat.jsonl --size 3 --strategy random -o out.csv",
        r"out\.csv: the nested field '(messages|meta)' does not fit into CSV",
    ),
    usage(
        "select rows.jsonl --size 2 --strategy random -o out.parquet", r"out\.parquet: the rows .*mixed types",
        rows=lines({**GOOD[0], "n": 1}, {**GOOD[1], "n": "two"}),
    ),
    *(
        usage(
            f"select rows.jsonl --size 2 --strategy random -o out.{ending}", rf"out\.{ending}: .*{why}",
            rows=lines({**GOOD[0], "n": value}, {**GOOD[1], "n": value}),
        )._replace(name=f"{name} for .{ending}")
        for name, value, ending, why in (
            ("half a surrogate pair", "\ud800", "csv", "surrogate"), ("half a surrogate pair", "\ud800", "parquet", "surrogate"),
            ("half a surrogate pair", "\ud800", "arrow", "surrogate"), ("a number beyond 64 bits", 10**30, "parquet", "int"),
            ("an object without fields", {}, "parquet", "'n'"),
        )
    ),
    *(
        Case(
            f"bytes for .{ending}", {"p.parquet": parquet([{**GOOD[0], "img": b"\x89"}])},
            f"select p.parquet --size 1 --strategy random -o out.{ending}", rf"out\.{ending}: .*bytes",
        )
        for ending in ("jsonl", "csv")
    ),
    usage(f"measure pool.jsonl {LENGTH} --json no/out.json", "no: no such folder"),
    usage(f"measure pool.jsonl {LENGTH} --json folder", "folder: is a folder"),
    usage(f"measure pool.jsonl {LENGTH} --json pool.jsonl", r"pool\.jsonl.*data that was read"),
    usage(f"measure pool.jsonl {LENGTH} --per-sample n.exe", r"n\.exe: the ending '\.exe' is no known"),
    usage(f"measure pool.jsonl {LENGTH} --per-sample no/n.csv", "no: no such folder"),
    usage(f"measure pool.jsonl chat.jsonl {LENGTH} --per-sample n.csv", "--per-sample takes one data set at a time"),
    usage(f"measure pool.jsonl {LENGTH} --per-sample pool.jsonl", r"pool\.jsonl.*data that was read"),
    usage(f"measure pool.jsonl --reference chat.jsonl {LENGTH} --per-sample chat.jsonl", r"chat\.jsonl.*data that was read"),
    usage(f"measure pool.jsonl {LENGTH} --per-sample both.json --json both.json", r"both\.json"),
    usage(
        f"measure pool.jsonl --reference texts.jsonl {LENGTH} --per-sample n.csv",
        r"(pool|texts)\.jsonl.*needs more than k = 10 distinct reference rows, but there are 2",
    ),
    usage(f"measure bad.jsonl {LENGTH} --on-bad-row skip --bad-rows no/bad.jsonl", "no: no such folder", bad=BAD_ROW),
    usage(f"measure bad.jsonl {LENGTH} --on-bad-row skip --bad-rows out.d", r"out\.d: is a folder", bad=BAD_ROW),
    usage(f"measure bad.jsonl {LENGTH} --on-bad-row skip --bad-rows bad.jsonl", r"bad\.jsonl.*data that was read", bad=BAD_ROW),
    usage(
        "select bad.jsonl --size 3 --strategy random --on-bad-row skip --bad-rows out.jsonl -o out.jsonl", r"out\.jsonl",
        bad=BAD_ROW,
    ),
    usage(
        f"measure bad.jsonl {LENGTH} --on-bad-row skip",
        r"bad\.jsonl: no row could be read; the first, line 1, lacks the field 'response'", bad=lines({"instruction": "a"}),
    )._replace(command=f"measure bad.jsonl {LENGTH} --on-bad-row skip --schema instruction-response", name="skipping all rows"),
    usage("embed pool.jsonl --cache off", "no cache to fill"),
    usage("tokenize pool.jsonl --cache off", "no cache to fill"),
    usage("embed pool.jsonl --cache pool.jsonl", r"pool\.jsonl/.*the cache cannot be written here"),
    usage("embed twelve.npy", r"twelve\.npy: holds vectors"),
    usage("tokenize twelve.npy", r"twelve\.npy: holds vectors"),
]  # fmt: skip
