-- The REST dialect: two hooks around Envoy's gRPC-JSON transcoder. What REST looks like is in the schema; the
-- modules beside this one know the rules, and this one knows Envoy.
local errors = require("errors")
local json = require("json")
local openapi = require("openapi")
local query = require("query")
local request = require("request")
local response = require("response")
local schema = require("schema")

-- What a request taught us is kept here until its answer passes.
local METADATA = "evald.rest"
-- Headers that say nothing to a REST caller.
local GRPC_HEADERS = { "grpc-accept-encoding", "grpc-message", "grpc-status" }

-- Headers that the server reads, or the filters on the way to it. HTTP allows names and values that gRPC refuses, and
-- more of them than it takes.
local KEPT = {
  authorization = true,
  ["content-encoding"] = true,
  ["content-length"] = true,
  ["content-type"] = true,
  te = true,
  ["transfer-encoding"] = true,
  ["x-forwarded-proto"] = true,
  ["x-request-id"] = true,
}
-- Bytes of a header's value that is kept.
local LONGEST_VALUE = 4096

-- The answer of a method that sends a file.
local HTTP_BODY = "google.api.HttpBody"

-- What is said where the dialect itself failed.
local BROKEN = "The gateway failed to read or write this; its log says why"

local dialect = {}

-- Answers without asking the server.
local function answer(handle, status, body, headers)
  -- Tells local_reply_config that this body is JSON already.
  handle:streamInfo():dynamicMetadata():set(METADATA, "answered", true)
  headers = headers or {}
  headers[":status"] = tostring(status)
  handle:respond(headers, body)
end

-- Answers an error. `what` is a message, or a problem with the place that it is at.
local function refuse(handle, status, what, headers)
  local body = type(what) == "table" and errors.refusal({ what }, status) or errors.text(what, status)
  answer(handle, status, body, headers)
end

-- What a function of the dialect gives. When it fails, which is a bug, nothing may pass as it came: then nil, what to
-- say and its status, and the log says why.
local function guarded(handle, call, ...)
  local ok, first, second = pcall(call, ...)
  if ok then return first, second end
  handle:logErr("the dialect failed: " .. tostring(first))
  return nil, BROKEN, 500
end

local function is_grpc(headers)
  return (headers:get("content-type") or ""):find("^application/grpc") ~= nil
end

local function is_json(headers)
  local kind = (headers:get("content-type") or ""):lower():match("^[^;%s]*")
  return kind == "application/json" or kind:find("^application/.+%+json$") ~= nil
end

-- Leaves the headers that the server can take.
local function prune(headers)
  local dropped = {}
  for name, value in pairs(headers) do
    local takes = KEPT[name] and #value <= LONGEST_VALUE and not value:find("[^\32-\126]")
    if not takes and name:sub(1, 1) ~= ":" then dropped[#dropped + 1] = name end
  end
  for _, name in ipairs(dropped) do headers:remove(name) end
end

function dialect.on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path")
  if is_grpc(headers) then return end

  local number, verbs = schema.find(headers:get(":method"), path)
  local method = schema.methods[number]
  if not method then
    if path:find("^/openapi%.json%??") and headers:get(":method") == "GET" then return answer(handle, 200, openapi) end
    if #verbs == 0 then return refuse(handle, 404, "Not Found") end
    return refuse(handle, 405, "Method Not Allowed", { allow = table.concat(verbs, ", ") })
  end
  handle:streamInfo():dynamicMetadata():set(METADATA, "method", number)

  local base, text = path:match("^([^?]*)%??(.*)$")
  if not json.is_utf8(base:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)) then
    return refuse(handle, 400, "The path is not UTF-8")
  end
  if text ~= "" then
    local rewritten, problem, status = guarded(handle, query.to_proto, method, text)
    if not rewritten then return refuse(handle, status or 422, problem) end
    path = rewritten == "" and base or base .. "?" .. rewritten
  end
  local key = headers:get("idempotency-key")
  if key then
    if not json.is_utf8(key) then return refuse(handle, 422, "The Idempotency-Key is not UTF-8") end
    path = query.with(method, path, "request_id", key)
  end
  headers:replace(":path", path)
  prune(headers)

  if not method.body then
    -- The transcoder would read fields from it.
    local body = handle:body()
    if body then body:setBytes("") end
    return
  end
  local encoding = headers:get("content-encoding")
  if encoding and encoding ~= "identity" then
    return refuse(handle, 415, "Content-Encoding " .. encoding .. " is not supported")
  end
  local body = handle:body(true)
  -- Waiting for the body has made the headers taken before it stale.
  headers = handle:headers()
  -- A web page of another site may send what has another type without asking first.
  if body:length() > 0 and not is_json(headers) then
    return refuse(handle, 415, "The body must be JSON, with the header Content-Type: application/json")
  end
  local rewritten, given, status = guarded(handle, request.to_proto, method, body:getBytes(0, body:length()))
  if not rewritten then return refuse(handle, status or 422, given) end
  body:setBytes(rewritten)
  -- What the body has is what it changes; null takes a field away.
  if method.verb == "PATCH" and #given > 0 then
    headers:replace(":path", query.with(method, path, "update_mask", table.concat(given, ",")))
  end
  headers:replace("content-type", "application/json")
  headers:replace("content-length", tostring(#rewritten))
end

local function strip(headers)
  for _, name in ipairs(GRPC_HEADERS) do headers:remove(name) end
end

-- The body of an answer, and a function that puts another one in its place.
local function whole_body(handle)
  local body = handle:body(true)
  return body:getBytes(0, body:length()), function(text)
    body:setBytes(text)
    local headers = handle:headers()
    strip(headers)
    headers:replace("content-length", tostring(#text))
  end
end

-- Whether trying again by itself could do a client's harm twice, or only waste its time. A 503 that says when to come
-- back was made before anything was begun; of another one nobody knows.
local function is_final(status, verb, wait)
  if status == "503" then return verb ~= "GET" and not wait end
  return status == "409" or status:sub(1, 1) == "5"
end

local function on_error(handle, method)
  local body, replace = whole_body(handle)
  local rewritten, asked, wait = errors.to_rest(method, body)
  replace(rewritten)
  local headers = handle:headers()
  if asked then headers:replace(":status", asked) end
  if wait then headers:replace("retry-after", tostring(wait)) end
  local status = headers:get(":status")
  if status == "401" then headers:replace("www-authenticate", "Bearer") end
  if is_final(status, method and method.verb, headers:get("retry-after")) then
    headers:replace("x-should-retry", "false")
  end
end

-- Rewrites the lines of a stream of messages as they pass; a chunk may end within a line.
local function on_stream(handle, method)
  handle:headers():replace("content-type", "application/x-ndjson")
  local begun = ""
  for chunk in handle:bodyChunks() do
    local lines = {}
    begun = (begun .. chunk:getBytes(0, chunk:length())):gsub("([^\n]*)\n", function(line)
      table.insert(lines, response.to_rest(method.response_message, line) .. "\n")
      return ""
    end)
    chunk:setBytes(table.concat(lines))
  end
end

function dialect.on_response(handle)
  local headers = handle:headers()
  local known = handle:streamInfo():dynamicMetadata():get(METADATA) or {}
  local method = schema.methods[known.method]
  if method then strip(headers) end
  if not (headers:get("content-type") or ""):find("^application/json") then return end
  if headers:get(":status") ~= "200" then return on_error(handle, method) end
  -- Files pass as they come.
  if not method or method.response == HTTP_BODY then return end
  if method.stream then return on_stream(handle, method) end
  local body, replace = whole_body(handle)
  local rewritten, problem = guarded(handle, response.to_rest, method.response_message, body)
  replace(rewritten or errors.text(problem, 500))
  -- Waiting for the body has made the headers taken before it stale.
  if not rewritten then
    handle:headers():replace(":status", "500")
  elseif method.creates then
    handle:headers():replace(":status", "201")
  end
end

return dialect
