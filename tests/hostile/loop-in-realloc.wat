;; Loops in its allocator, which the host calls to pass the result of an import.
;;
;; request: read harm
;; status: 500
;; error: --cpu-ms
;; serve: --cpu-ms=100

(global $armed (mut i32) (i32.const 0))
(func $realloc (param i32 i32 i32 i32) (result i32)
  (if (global.get $armed)
    (then (loop $again (br $again))))
  (call $allocate (local.get 3)))

(func $hostile (result i32)
  (global.set $armed (i32.const 1))
  (call $vault-version (i32.const 64))
  (call $benign))
