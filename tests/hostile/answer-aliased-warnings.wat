;; Answers with a million warnings, all of which are the same kilobyte of its memory.
;;
;; request: read harm
;; status: 500
;; error: --memory-mib

(func $hostile (result i32)
  (local $list i32)
  (local $at i32)
  (drop (call $answer (i32.const 2116) (i32.const 11)))
  (local.set $list (call $repeat (i32.const 0) (i32.const 8000000)))
  (local.set $at (local.get $list))
  (loop $next
    (i32.store (local.get $at) (i32.const 4096))
    (i32.store offset=4 (local.get $at) (i32.const 1024))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $next (i32.lt_u (local.get $at) (i32.add (local.get $list) (i32.const 8000000)))))
  (i32.store (i32.const 1156) (local.get $list))
  (i32.store (i32.const 1160) (i32.const 1000000))
  (i32.const 1024))
