;; Has an allocator that calls the host while the host is passing the result of an import.
;;
;; request: read harm
;; status: 500
;; error: cannot leave component instance

(global $armed (mut i32) (i32.const 0))
(func $realloc (param i32 i32 i32 i32) (result i32)
  (if (global.get $armed) (then (call $commit (i32.const 512))))
  (call $allocate (local.get 3)))

(func $hostile (result i32)
  (global.set $armed (i32.const 1))
  (call $vault-version (i32.const 64))
  (call $benign))
