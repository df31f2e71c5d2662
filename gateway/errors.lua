-- Gives gRPC errors the shape that REST callers read: `detail` beside code, message and details.
local json = require("json")

local errors = {}

-- An error is for reading: a key longer than this is cut.
local LONGEST_KEY = 256

-- The gRPC codes of what the dialect refuses, by HTTP status: they stand beside `detail` as they do in the server's errors.
local CODES = { [400] = 3, [404] = 5, [405] = 12, [415] = 3, [422] = 3 }

local function coded(detail, status)
  return '{"detail":' .. detail .. (status and ',"code":' .. CODES[status] or "") .. "}"
end

-- `{"detail": [problem]}`, as the reference API answers 422.
function errors.refusal(problems, status)
  local pieces = {}
  for i, problem in ipairs(problems) do
    local loc = {}
    for j, part in ipairs(problem.loc) do
      loc[j] = type(part) == "number" and tostring(part) or json.quote(part:sub(1, LONGEST_KEY))
    end
    pieces[i] = '{"loc":[' .. table.concat(loc, ",") .. '],"msg":' .. json.quote(problem.msg)
      .. ',"type":' .. json.quote(problem.type) .. "}"
  end
  return coded("[" .. table.concat(pieces, ",") .. "]", status)
end

function errors.text(message, status)
  return coded(json.quote(message), status)
end

-- Where a REST caller finds the field that the server names by its path in the request message,
-- or in the message that the body holds.
local function loc(method, path)
  local steps = {}
  for part in path:gmatch("[^.%[%]]+") do table.insert(steps, tonumber(part) or part) end
  local message, first, found = method.request_message, 1, { method.body and "body" or "query" }
  if method.body == steps[1] then
    message, first = method.body_message, 2
  elseif method.body and method.body ~= "*" and method.body_message.by_name[steps[1]] then
    message = method.body_message
  elseif method.is_bound[steps[1]] then
    found = { "path" }
  elseif method.query.by_key[steps[1]] then
    found = { "query" }
  end
  for i = first, #steps do
    local field = message and message.by_name[steps[i]]
    -- Inside a map or a list, a step is a key of the caller's, and the message stays.
    if field then message = field.message end
    table.insert(found, field and field.key or steps[i])
  end
  return found
end

-- The body with `detail`, and what the error's details ask for: the HTTP status, and seconds to wait before another try.
function errors.to_rest(method, body)
  local ok, status = pcall(json.decode, body, 1)
  if not ok or type(status) ~= "table" or status.detail then return body end
  local problems, http_status, wait = {}, nil, nil
  for _, detail in ipairs(status.details or {}) do
    for _, violation in ipairs(method and detail.field_violations or {}) do
      table.insert(problems, { loc = loc(method, violation.field), msg = violation.description, type = "value_error" })
    end
    http_status = http_status or (detail.metadata or {}).http_status
    if detail.retry_delay then wait = math.ceil(tonumber((detail.retry_delay:match("^[%d.]+"))) or 0) end
  end
  local detail = errors.text(status.message or "")
  if #problems > 0 then detail, http_status = errors.refusal(problems), http_status or "422" end
  return detail:sub(1, -2) .. "," .. body:match("^%s*{(.*)$"), http_status, wait
end

return errors
