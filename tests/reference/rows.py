"""The checklist: what callers of NeMo Evaluator's REST API v1 may rely on, a row each.

Letters are those of the description of that API which evald is compatible with. A test ticks rows
with `@pytest.mark.reference("a.1 POST targets", ...)`.
"""

from __future__ import annotations

ENDPOINTS = {
    "a.1 POST targets": "creates; only a type is required",
    "a.1 GET targets": "a page of targets",
    "a.1 GET target": "by namespace and name",
    "a.1 PATCH target": "any member but name and namespace",
    "a.1 DELETE target": "200 with JSON",
    "a.1 POST configs": "creates; only a type is required",
    "a.1 GET configs": "a page of configs",
    "a.1 GET config": "by namespace and name",
    "a.1 PATCH config": "any member; may rename and move",
    "a.1 DELETE config": "200 with JSON",
    "a.1 POST jobs": "config and target required; status created",
    "a.1 GET jobs": "a page of jobs",
    "a.1 GET job": "the job",
    "a.1 DELETE job": "200 or 204, whatever is accepted",
    "a.1 POST cancel": "without a body or with {}; JSON comes back",
    "a.1 GET status": "status details",
    "a.1 GET job results": "the result of a job",
    "a.1 GET download-results": "a ZIP, whatever is accepted",
    "a.1 GET logs": "a ZIP, whatever is accepted",
    "a.1 POST results": "creates; a job is required",
    "a.1 GET results": "a page of results",
    "a.1 GET result": "by id",
    "a.1 PATCH result": "any member",
    "a.1 DELETE result": "200 with JSON",
    "a.1 POST live": "target and config inline; answers the result",
    "a.1 GET health": "200",
}

FILTERS = {
    "jobs": "namespace project status created_at custom_fields target config",
    "targets": "namespace name project type model created_at custom_fields",
    "configs": "namespace name project type created_at custom_fields",
    "results": "job_id",
}

SEARCHES = {
    "jobs": "id config target status description namespace project output_files_url result "
    "custom_fields ownership status_details created_at updated_at",
    "targets": "id name namespace type model dataset description project rows rag retriever "
    "cached_outputs custom_fields ownership created_at updated_at",
    "configs": "id name namespace type tasks groups params description project custom_fields "
    "ownership created_at updated_at",
    "results": "id job tasks groups files_url description namespace project custom_fields "
    "ownership created_at updated_at",
}

LISTS = {
    **{f"a.2 {kind} page": "counts from 1" for kind in FILTERS},
    **{f"a.2 {kind} page_size": "entries on a page; 10 unless said" for kind in FILTERS},
    **{
        f"a.2 {kind} sort {field}": "both ways"
        for kind in FILTERS
        for field in ("created_at", "updated_at")
    },
    **{
        f"a.2 {kind} filter {field}": "exactly"
        for kind, fields in FILTERS.items()
        for field in fields.split()
    },
    **{
        f"a.2 {kind} search {field}": "holds the text, or within both ends"
        for kind, fields in SEARCHES.items()
        for field in fields.split()
    },
    "a.2 filter and": "all filters hold",
    "a.2 filter dates": "eq, neq, gt, gte, lt, lte, and a plain date",
    "a.2 filter parts of jobs": "target and config as ns/name or by their own members",
    "a.2 search or": "one of several texts in a field, every field",
    "a.2 wire brackets": "nested, percent-encoded or not",
    "a.2 wire comma": "several texts in one value",
    "a.2 wire repeated": "several texts under the same key",
    "a.2 wire times": "ISO 8601, without a zone too",
    "a.3 envelope": "object, data, pagination, sort, filter, search",
    "a.3 pagination": "five integers",
    "a.3 echo": "sort, filter and search as asked",
    "a.3 past the end": "200 with an empty page",
}

ERRORS = {
    "a.4 POST success": "200 or 201",
    "a.4 detail text": "an error is {detail: text}",
    "a.4 detail list": "422 lists loc, msg and type",
    "a.4 exceptions": "the official client's class for each status",
    "a.4 x-should-retry": "no retry of 409 and 5xx, but of a 503 that began nothing",
    "a.4 retries": "the official client does try 429 and such a 503 again",
    "a.4 duplicate name": "409",
    "a.4 message files_url": "a data set without its files",
    "a.4 message connection": "an endpoint that cannot be reached",
    "a.4 message missing dataset": "a data set that is not in the store",
}

SCHEMAS = {
    "b id": "prefix and base58",
    "b name": "unique in the namespace; the id when not given",
    "b namespace": "default when not given",
    "b texts": "description and project",
    "b times": "naive, six digits",
    "b custom_fields": "{} when not given",
    "b ownership": "created_by, updated_by, access_policies",
    "b schema_version": "1.0",
    "b type_prefix": "of targets, configs and models; null for data sets",
    "b.1 type": "six, each with its member; no other",
    "b.1 model": "a text stays a text, or a model",
    "b.1 cached_outputs": "files_url required",
    "b.1 retriever": "pipeline, dataset or cached_outputs",
    "b.1 rag": "pipeline, dataset or cached_outputs",
    "b.1 rows": "free objects",
    "b.1 dataset": "a text or a data set",
    "b.2 api_endpoint": "url, model_id, api_key, format, stream",
    "b.2 format": "nim unless said; openai; lama_stack, spelled so",
    "b.2 prompt": "system prompt, inference and reasoning parameters",
    "b.2 artifact": "a checkpoint",
    "b.2 base_model": "a text or an object",
    "b.2 peft spec guardrails": "facts of a model",
    "b.2 version": "main and no tags unless said",
    "b.2 unknown keys": "allowed in inference_params",
    "b.3 members": "files_url, format, hf_endpoint, limit, split",
    "b.3 normalised": "id, name, namespace and version filled in",
    "b.4 type": "required text",
    "b.4 params": "nine, all optional",
    "b.4 stop": "a text or a list",
    "b.4 tasks": "type, params, dataset, metrics",
    "b.4 groups": "tasks, groups, metrics",
    "b.4 old dialect": "lists of tasks are refused, clearly",
    "b.5 members": "each key of a job",
    "b.5 embedded": "target and config in full",
    "b.5 status": "lower case, of the documented ones",
    "b.5 create keys": "status, status_details and result may be sent",
    "b.5 details": "message, progress, task_status, samples_processed",
    "b.6 members": "each key of a result",
    "b.6 id": "evaluation_result, with an underscore",
    "b.6 shape": "tasks and groups, metrics, scores, stats",
    "b.6 stats": "ten, all optional",
    "b.7 live": "status, status_details, result, logs",
    "b.7 delete": "message, id, deleted_at null",
    "b.8 targets configs": "nulls left out; nested entities keep their book",
    "b.8 jobs": "nulls shown; all members of the target",
    "b.8 results": "nulls left out; empty groups and custom_fields kept",
    "b.8 status": "nulls shown",
    "b.8 fresh job": "created, and a status without anything",
    "b.8 result at start": "the result is there when the job starts",
    "b.8 secrets": "****** at any depth; absent stays absent",
    "b.8 numbers": "scores and progress have a point",
}

MATRIX = {
    "d custom completion": "model; chat-completion too",
    "d custom data": "rows and dataset",
    "d custom prompt-optimization": "model",
    "d similarity_metrics": "model and cached_outputs",
    "d harnesses": "LM harness, BigCode, simple-evals, BFCL and safety: model",
    "d retriever": "retriever, with a reranker or without",
    "d rag": "rag, from a pipeline or of answers made elsewhere",
    "d agentic": "cached_outputs and dataset",
    "d POST live": "rows and dataset",
}

SEMANTICS = {
    "f ids": "the five prefixes",
    "f names": "unique by namespace and kind",
    "f lookup by id": "ns/id works as ns/name",
    "f namespace": "any; default when not given",
    "f references": "ns/name or inline; a bare model name",
    "f inline": "fresh ids, given names kept, posted twice without a conflict",
    "f snapshot": "a job keeps what it was made with",
    "f delete in use": "refused while a job uses the target or config",
    "f delete answer": "a message and the id",
    "f delete job": "takes its result along",
    "f cancel": "cancelling, then cancelled; nothing on one that has ended",
    "f secrets": "used by every job of the target, shown by none",
    "f status life": "created, running, an end",
    "f progress": "rises from 0.0 to 100.0",
    "f final message": "completed successfully",
    "f task_status": "completed by task",
    "f results before the end": "200, without tasks",
    "f limits": "limit and limit_samples both cap",
    "f live": "data tasks on rows and data sets; nothing kept",
    "f urn": "result and project are texts",
    "f patch": "merges members of the top",
}

CLIENTS = {
    "g data-flywheel": "job, poll, results, ZIP, delete",
    "g data-flywheel judges": "the judge and tool-calling metrics it asks for",
    "g llama-stack": "benchmark, job, cancel {}, result; JSON everywhere",
    "g notebooks": "their four ways to wait, and what they read",
    "g notebooks retriever": "recall in groups and in tasks",
    "g weave": "health, names, polls, sums of stats",
    "g langflow": "the old dialect gets a clear 422",
    "g sdk": "every method, both clients",
}

RULES = {
    "rule 1": "a job that can start is never pending",
    "rule 2": "progress is a number from running on, 100.0 at the end",
    "rule 3": "status_details with its three keys, always",
    "rule 4": "cancel and delete answer JSON",
    "rule 5": "results.json in the ZIP, a list by task",
    "rule 6": "empty pages past the end",
    "rule 7": "masked secrets still work, and may be sent back",
    "rule 8": "retriever and RAG scores in both places",
    "rule 9": "URLs either way, models as texts, unknown params",
}

ROWS = {**ENDPOINTS, **LISTS, **ERRORS, **SCHEMAS, **MATRIX, **SEMANTICS, **CLIENTS, **RULES}
