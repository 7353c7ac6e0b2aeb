;; Answers with half a million numbers, which take long to check and longer for Vault to decode.
;;
;; request: read harm
;; status: 200

(func $hostile (result i32)
  (local $text i32)
  (local $at i32)
  (local.set $text (call $allocate (i32.const 1000008)))
  (i64.store (local.get $text) (i64.const 0x5b3a2261227b)) ;; `{"a":[`
  (local.set $at (i32.add (local.get $text) (i32.const 6)))
  (loop $next
    (i32.store16 (local.get $at) (i32.const 0x2c31)) ;; `1,`
    (local.set $at (i32.add (local.get $at) (i32.const 2)))
    (br_if $next (i32.lt_u (local.get $at) (i32.add (local.get $text) (i32.const 1000000)))))
  (i32.store (local.get $at) (i32.const 0x7d5d31)) ;; `1]}`
  (call $answer (local.get $text) (i32.const 1000003)))
