;; Has an allocator that always returns the same address, so that the host's data overwrites the request and itself.
;;
;; request: write harm
;; status: 500
;; error: unreachable

(global $armed (mut i32) (i32.const 0))
(func $realloc (param i32 i32 i32 i32) (result i32)
  (if (global.get $armed) (then (return (global.get $request))))
  (call $allocate (local.get 3)))

(func $hostile (result i32)
  (global.set $armed (i32.const 1))
  (call $config (i32.const 64))
  (if (call $has-option (i32.load (i32.const 64)) (i32.load (i32.const 68))) (then (return (call $benign))))
  unreachable)
