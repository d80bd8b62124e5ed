# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The tasks of a kernel, "PID NAME" each.  What lx-ps of the kernel's scripts prints, too.
set pagination off
python
task = gdb.lookup_type("struct task_struct")
tasks = next(f.bitpos // 8 for f in task.fields() if f.name == "tasks")
first = int(gdb.parse_and_eval("(unsigned long)&init_task"))
at = first
while True:
    t = gdb.Value(at).cast(task.pointer()).dereference()
    print(int(t["pid"]), t["comm"].string())
    at = int(t["tasks"]["next"]) - tasks
    if at == first:
        break
end
