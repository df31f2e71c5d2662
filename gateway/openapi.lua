-- The OpenAPI document of the REST surface, which lies where the schema does.
local function read()
  for pattern in package.path:gmatch("[^;]+") do
    local file = io.open((pattern:gsub("%?%.lua$", "openapi.json")))
    if file then
      local text = file:read("*a")
      file:close()
      return text
    end
  end
  error("openapi.json is not in the folders of package.path", 0)
end

return read()
