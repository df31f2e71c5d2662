-- The REST surface, as `make gen` wrote it from the protos, with the look-ups that the dialect needs.
local schema = require("rest_schema")

for _, enum in pairs(schema.enums) do
  enum.by_rest, enum.by_proto, enum.names = {}, {}, {}
  for number, value in ipairs(enum) do
    local proto, rest = value[1], value[2]
    -- The first value says that the enum is unset, which REST says by leaving the field out.
    if number > 1 then
      enum.by_rest[rest], enum.by_proto[proto] = proto, rest
      table.insert(enum.names, "'" .. rest .. "'")
    end
  end
end

for _, message in pairs(schema.messages) do
  message.by_name, message.by_key, message.keys = {}, {}, {}
  for _, field in ipairs(message.fields or {}) do
    field.message, field.enum = schema.messages[field.type], schema.enums[field.type]
    field.key = field.rest or field.name
    message.by_name[field.name] = field
    local twin = message.by_key[field.key]
    if field.grpc_only then -- REST does not know it
    elseif not twin then
      message.by_key[field.key] = field
      table.insert(message.keys, field.key)
    else
      -- Two fields share a key: the JSON type tells them apart.
      local text, object = twin, field
      if field.kind == "string" and not field.members then text, object = field, twin end
      message.by_key[field.key] = { key = field.key, kind = "either", text = text, object = object }
    end
  end
end

-- The fields of a message, without some.
local function without(message, names)
  local rest = { by_key = {}, keys = {} }
  for _, key in ipairs(message.keys) do
    if not names[key] then
      rest.by_key[key] = message.by_key[key]
      table.insert(rest.keys, key)
    end
  end
  return rest
end

for _, method in ipairs(schema.methods) do
  local request = schema.messages[method.request]
  method.request_message, method.response_message = request, schema.messages[method.response]
  method.is_bound = {}
  for _, name in ipairs(method.bound or {}) do method.is_bound[name] = true end
  -- What the path does not bind is in the body or in the query.
  local unbound = without(request, method.is_bound)
  if method.body == "*" then
    method.body_message, method.query = unbound, { by_key = {}, keys = {} }
  elseif method.body then
    method.body_message = request.by_name[method.body].message
    method.query = without(unbound, { [method.body] = true })
  else
    method.query = unbound
  end
end

-- The segments of a path, without the query and one trailing slash.
local function segments(path)
  local found = {}
  path = path:gsub("%?.*$", ""):gsub("/$", "")
  for segment in path:gmatch("/([^/]*)") do table.insert(found, segment) end
  return found
end

local function matches(template, path)
  if #template ~= #path then return false end
  for i, segment in ipairs(template) do
    local variable = segment:find("^{")
    if path[i] ~= segment and not (variable and path[i] ~= "") then return false end
  end
  return true
end

-- The number of the method at a path, or nil and the verbs that the path has.
function schema.find(verb, path)
  local wanted, verbs = segments(path), {}
  for number, method in ipairs(schema.methods) do
    if matches(method.path, wanted) then
      if method.verb == verb then return number end
      table.insert(verbs, method.verb)
    end
  end
  return nil, verbs
end

-- Single-character changes that turn one word into another.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

-- "Unknown ...", with the nearest of the names that are known.
function schema.unknown(what, name, known)
  -- A longer name is nobody's typing error, and would only cost time.
  local best, least = nil, #name <= 64 and math.max(2, #name / 2) or -1
  for _, candidate in ipairs(known) do
    local changes = distance(name, candidate)
    if changes < least or (changes == least and not best) then best, least = candidate, changes end
  end
  local shown = #name <= 64 and name or name:sub(1, 61) .. "..."
  return "Unknown " .. what .. " '" .. shown .. "'" .. (best and "; did you mean '" .. best .. "'?" or "")
end

return schema
