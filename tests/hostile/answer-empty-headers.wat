;; Answers with half a million headers without a name, which take no room in its memory and much in the host's.
;;
;; request: read harm
;; status: 500
;; error: --memory-mib

(func $hostile (result i32)
  (drop (call $answer (i32.const 2116) (i32.const 11)))
  (i32.store (i32.const 1164) (call $repeat (i32.const 0) (i32.const 8000000)))
  (i32.store (i32.const 1168) (i32.const 500000))
  (i32.const 1024))
