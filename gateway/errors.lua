-- Gives gRPC errors the shape that REST callers read: `detail` beside code, message and details.
local json = require("json")

local errors = {}

-- An error is for reading: a key longer than this is cut.
local LONGEST_KEY = 256

-- `{"detail": [problem]}`, as the reference API answers 422.
function errors.refusal(problems)
  local pieces = {}
  for i, problem in ipairs(problems) do
    local loc = {}
    for j, part in ipairs(problem.loc) do
      loc[j] = type(part) == "number" and tostring(part) or json.quote(part:sub(1, LONGEST_KEY))
    end
    pieces[i] = '{"loc":[' .. table.concat(loc, ",") .. '],"msg":' .. json.quote(problem.msg)
      .. ',"type":' .. json.quote(problem.type) .. "}"
  end
  return '{"detail":[' .. table.concat(pieces, ",") .. "]}"
end

function errors.text(message)
  return '{"detail":' .. json.quote(message) .. "}"
end

-- Where a REST caller finds the field that the server names by its path in the request message,
-- or in the message that the body holds.
local function loc(method, path)
  local steps = {}
  for part in path:gmatch("[^.%[%]]+") do table.insert(steps, tonumber(part) or part) end
  local message, first, found = method.request_message, 1, { method.body and "body" or "query" }
  if method.is_bound[steps[1]] then
    found = { "path" }
  elseif method.body == steps[1] then
    message, first = method.body_message, 2
  elseif method.body and method.body ~= "*" and method.body_message.by_name[steps[1]] then
    message = method.body_message
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

-- The body with `detail`, and the HTTP status that the error's details ask for, if they do.
function errors.to_rest(method, body)
  local ok, status = pcall(json.decode, body, 1)
  if not ok or type(status) ~= "table" or status.detail then return body end
  local problems, http_status = {}, nil
  for _, detail in ipairs(status.details or {}) do
    for _, violation in ipairs(method and detail.field_violations or {}) do
      table.insert(problems, { loc = loc(method, violation.field), msg = violation.description, type = "value_error" })
    end
    http_status = http_status or (detail.metadata or {}).http_status
  end
  local detail = errors.text(status.message or "")
  if #problems > 0 then detail, http_status = errors.refusal(problems), http_status or "422" end
  return detail:sub(1, -2) .. "," .. body:match("^%s*{(.*)$"), http_status
end

return errors
