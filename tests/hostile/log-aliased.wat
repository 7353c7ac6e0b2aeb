;; Logs a line with a million fields, all of which are the same kilobyte of its memory.
;;
;; request: read harm
;; status: 500
;; error: over the limit

(func $hostile (result i32)
  (local $list i32)
  (local $at i32)
  (local.set $list (call $repeat (i32.const 0) (i32.const 14000000)))
  (local.set $at (local.get $list))
  (loop $next
    (i32.store (local.get $at) (i32.const 4096))
    (i32.store offset=4 (local.get $at) (i32.const 1024))
    (local.set $at (i32.add (local.get $at) (i32.const 16)))
    (br_if $next (i32.lt_u (local.get $at) (i32.add (local.get $list) (i32.const 14000000)))))
  (call $log (i32.const 2) (i32.const 2048) (i32.const 7) (local.get $list) (i32.const 875000))
  (call $benign))
